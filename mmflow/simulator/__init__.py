"""A simulated MachineMetrics: a plant whose facts follow from a seed, served over HTTP as the service would.

It shares nothing with the rest of mmflow, so that a mistake there cannot hide by being made twice.
"""

from __future__ import annotations

from mmflow.simulator.facts import Atom
from mmflow.simulator.plant import Plant
from mmflow.simulator.profiles import PROFILES, Profile
from mmflow.simulator.routes import Access
from mmflow.simulator.server import Simulator
from mmflow.simulator.service import Request

__all__ = ["PROFILES", "Access", "Atom", "Plant", "Profile", "Request", "Simulator"]
