"""Training that starts from the weights of an agent that is there already."""

import numpy as np
import pytest

import tribute

from conftest import CLIENT, OWNER


def test_training_from_an_agent_of_ones_own_finds_the_same_optimum(world, market):
    with world.client(OWNER) as owner:
        near = owner.train(market.datasets, penalty=2e-3, name="near")
        started = owner.train(market.datasets, penalty=1e-3, name="started", start=near)
        fresh = owner.train(market.datasets, penalty=1e-3, name="fresh")
    assert started.relative_distance < 1e-6 and started.polish is None
    assert np.allclose(started.shares, fresh.shares, atol=1e-9) and started.training_accuracy == fresh.training_accuracy
    with world.client(CLIENT) as client, pytest.raises(tribute.errors.NotFound, match="of yours"):
        client.train(market.datasets, penalty=1e-3, start=near)
