"""The test of a bench: each board's link and supply, without a run (`hil bench test`)."""
