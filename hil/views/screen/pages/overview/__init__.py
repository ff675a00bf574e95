"""The overview page, a section in each module; `page` puts them together. Pure."""
