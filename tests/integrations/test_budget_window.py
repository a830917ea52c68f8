"""The call budget as the CRM sees it, on whose side calls arrive after different times (S40)."""

import random

from integrations.budget import RateBudget
from integrations.registry import WAY_S, WINDOW_S

LIMIT = 20


def test_s040_the_crm_never_sees_one_call_too_many_in_its_own_window():
    dice = random.Random(5)  # noqa: S311
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    budget = RateBudget(LIMIT, WINDOW_S + WAY_S, clock=lambda: now[0], sleep=sleep)
    arrived = []
    for _ in range(500):
        budget.acquire()
        arrived.append(now[0] + dice.uniform(0.001, WAY_S))
    arrived.sort()

    worst = max(sum(a <= b < a + WINDOW_S for b in arrived) for a in arrived)
    assert worst == LIMIT
