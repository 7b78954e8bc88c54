"""Where the lines are drawn between one reading of the curves and another, why there, and what moving one would do.

"Recorded" means tests/curves: real runs of SmolLM2-135M on the bundled examples. A loss is in nats per supervised
token; a share is of the loss at the start, so that the same line holds for easy rows and for hard ones.
"""

from __future__ import annotations

EARLY_STEPS = 8
"""Steps before anything but divergence is read. In the recorded runs single batches lie 20 % (one standard deviation)
around their mean, so medians of three at either end of 8 steps still differ by some 15 % with no learning at all.
Fewer: readings that come and go in the first seconds. More: short runs, and a run cut by its budget, go unread."""

BATCH_NOISE = 0.25
"""Least noise assumed of one batch's loss, as a share: the recorded runs have 0.1 to 0.3, and few points can look
smoother than they are. Lower: three losses that rise by chance are called divergence. Higher: real divergence of a
short run is told late."""

SURE = 4.0
"""Standard errors that the level has to be away from where it was before it is said to have run away. So many since it
is asked anew at every step, and a noise reckoned from ten losses is often too small: at 3, three in 1,000
runs of random losses raise a false alarm in their first 30 steps, at 4 none. Higher: told later."""

SPIKE_SURE = 3.0
"""Standard deviations above the usual that a spike has to be. Fewer: one batch in a hundred is a spike by chance."""

FALLING = 2.0
"""The same before a loss is said to fall, where a mistake costs less."""

DIVERGED_SHARE = 0.3
"""A training loss this share above where it began has diverged. Recorded: 0.05 as learning rate is 100 % above after 5
steps; with 1e-6, where nothing moves, medians wander by up to 18 %. Lower: hard batches late in an epoch look like
divergence. Higher: a loss that climbs slowly is told late."""

EXPLODED = 5.0
"""Times the first loss: one that was so high, and is not back, ran away however slowly it comes down again. By
chance the median of three batches is at most three times the first. Recorded: 0.05 reaches 10."""

DIVERGED_HELD_OUT = 0.1
"""The same for the held-out loss while training does not fall either. Smaller, since the held-out rows are the same
each time: recorded evaluations of a model that does not move differ by 0.4 %."""

CALM_STEPS = 6
"""Steps that have to stand before a spike can be told from the first fall. Fewer: warm-up counts as a spike."""

SPIKE_SHARE = 0.4
"""A step whose loss is this share above the median of the nine before it, and SPIKE_SURE deviations, is a spike.
Lower: batches of short answers, which vary most, are spikes. Higher: only the worst are seen."""

SPIKE_HEIGHT = 0.2
"""A spike is also this share of the first loss high: once a loss is near 0, ten times as much is still next to none."""

SPIKES = 2
"""Spikes that make an unstable run. One may be an odd row; and there may be one in SPIKE_EVERY steps."""

SPIKE_EVERY = 100
"""In a run of 1,000 steps ten odd batches are no sign of a wrong learning rate."""

GRADIENT_GROWTH = 2.5
"""Growth of the median gradient norm, from the first steps to the latest, that goes with a learning rate too high.
Recorded: in good runs they shrink, 0.005 comes to 1.4, and 0.01 to 2.5 at step 13, long before its loss runs away."""

NEW_LOW_SHARE = 0.1
"""But not while the loss is this share below all that it was before: then the gradients do what they should. Recorded:
rows of random letters that are being learned by heart, whose gradients come to 3.4."""

FELL_SHARE = 0.1
"""A training loss this share below what it was at a step has fallen since then, whatever the trend between says: that
of a few steps is too uncertain."""

LEARNED_SHARE = 0.05
"""A fall by less than this share is not called learning. Recorded: 1e-6 moves the held-out loss by 0.4 % at most, good
runs by 25 % and more. Lower: chance is called learning. Higher: runs that only polish are called failures."""

NEAR_NOTHING_SHARE = 0.02
"""A fall by less than this share is nothing at all. Between the two: a little was learned."""

JUDGED_SHARE = 0.5
"""Share of the planned steps after which a running run may be said to learn nothing, or too slowly. Earlier, its
learning rate may still be rising; later, a person waits in vain."""

JUDGED_STEPS = 12
"""And at least so many steps, for the same reason."""

LOW_LEARNING_RATE = 1e-4
"""Below it, a loss that hardly moves is put down to the learning rate. QLoRA (arXiv:2305.14314) trained adapters
with 1e-4 and 2e-4; adapters want some ten times what full fine-tuning does (arXiv:2405.09673), which goes by 1e-5 to
5e-5. Higher: rows that cannot be learned are blamed on it."""

SLOW_SHARE = 0.15
"""With so low a learning rate, a fall of less than this share is too slow."""

USUAL_LEARNING_RATES = (2e-4, 1e-3)
"""What is proposed in place of one far off: the larger of ten times as much and the first; never raised beyond the
second; of one too high, a third or a tenth. The second is this app's default and trains its examples well."""

WEAK_SCALE = 0.5
"""lora_alpha / r below which an adapter that learns nothing is told to speak up: 1 and 2 are usual. Recorded: 1 / 64
learns nothing at a usual learning rate."""

TURN_SHARE = 0.03
"""Held-out loss this share above its best, at two evaluations in a row, has turned. Recorded: good runs come back up
by less than 1 % at the end. Lower: they would be called overfitted. Higher: told an evaluation or two later."""

SHARP_TURN_SHARE = 0.1
"""So far above its best, one evaluation is enough."""

NEAR_ZERO = 0.1
"""Nats a token: the model gives nine tokens in ten or better the right answer by heart. Recorded: runs on 6 rows are
below it after 14 and 17 steps, good runs end above 0.4. Higher: easy formats such as JSON are called memorised."""

ZERO_HELD_OUT = 0.3
"""Where the held-out loss is below this too, the rows are easy and nothing is by heart that should not be."""

KNOWN_START = 0.5
"""Training loss at the start from which a loss near zero is something the run did."""

GAP_SHARE = 0.5
"""Held-out loss above training loss by this share of the first held-out loss: what was learned is mostly the rows
themselves. Recorded: 0.16 at most in good runs, 0.76 and more where rows are learned by heart."""

MEMORISING_EPOCHS = 2.0
"""Passes before a row can be said to be known by heart: a low loss on rows never seen before is skill."""

VERY_FEW_ROWS = 10
"""Training rows below which it is always said that they are few. OpenAI's fine-tuning guide asks for 10 at least."""

FEW_ROWS = 50
"""Training rows below which few rows are named as the cause, where a run overfits or memorises. The same guide sees
clear improvements from 50 to 100. Higher: more rows are asked for where fewer passes would do."""

PLATEAU_STEPS = 20
"""Steps in which nothing may have moved before it is a plateau. Fewer: one flat stretch of a noisy curve is one."""

FLAT_SHARE = 0.1
"""A plateau is where the fall over those steps, and twice its standard error, is below this share of the first loss."""

FLAT_HELD_OUT = 0.02
"""And where the held-out loss did not improve by this share either."""

ACTIVE_SHARE = 0.3
"""Share of the peak learning rate below which nothing is read from a flat curve: a cosine or linear schedule ends at
0, and then nothing can fall. 0.3 is the last third of a cosine's steps."""

STILL_SHARE = 0.04
"""A fall by this share over the last half of the steps that had a learning rate is still falling. Recorded: 0.025
and 0.037 in good runs that were long enough, 0.055 to 0.26 in those that are still falling."""

FORGOTTEN = 0.1
"""Nats a token by which the bundled everyday questions got harder, where the whole interval is above 0: forgetting."""

MOST_READINGS = 3
"""Readings shown at once, gravest first: more is not read by anyone."""
