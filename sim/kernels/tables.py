"""The columns of the tables by which residents decide: written by perception, read by the decision."""

from __future__ import annotations

# Of the table of sites (a site is a cell as one community sees it).
PULL, DANGER = range(2)
SITE_COLUMNS = 2

# Of the table of posts (the cells where the mobilised of a group stand).
DETER, DETER_UP, DANGER_UP, DETAIN = range(4)
POST_COLUMNS = 4

# Of the table of groups (the members of one community in one neighbourhood).
# The last three are the greatest of their kind among the group's sites and posts: they bound what may happen.
WORTH, TIED, ENLIST, BACK, HOME, SLAIN, MAIMED, MOST_DANGER, MOST_DANGER_UP, MOST_DETAIN = range(10)
GROUP_COLUMNS = 10

# Of the vector of rates, the same for everyone.
(
    MOBILISE, STAND_DOWN, SOFTNESS, LETHALITY, SHELTER, COME_OUT, SHELTER_HALF, RECOVER, RELEASE,
    FLEE, FLEE_HALF, LIVED_HALF, STEP_H, EXPOSED_CALM, EXPOSED_MOBILISED, EXPOSED_SHELTERING,
) = range(16)  # fmt: skip
RATES = 16

CALM, MOBILISED, SHELTERING, WOUNDED, DETAINED, DISPLACED, AWAY, DEAD = range(8)
