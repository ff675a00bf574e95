"""The price of a correct answer: in orbit, from a run's own numbers, and of the same work on the
ground.

price_table     prices and other assumptions, each as low, mode and high with its source
prices.yaml     those that are shipped
bill            what is paid once and every year, and what that is worth today
satellite       masses and costs of what carries and feeds the computers of a rig
ground_site     the costs of the same computers on the ground
work            the answers of a run: correct and wrong ones a second, and the power they took
answer_cost     the cost of a million correct answers here and there, and where they meet
recorded_work   the work of a recorded run, its sunlight, and the sizes of its spacecraft
campaign_work   the work of one computer, predicted from a campaign and an orbit
conditions      what a work computes, and under which upsets and in which orbit
run_ending      how a priced run ended
priced_run      a run with all of this
pair_price      two of them beside each other: which has fewer wrong answers, and what that may cost
uncertainty     what draws from all prices come to, and which price decides (tornado, Sobol)

Everything is computed for many draws of the prices at once: arrays of one length."""
