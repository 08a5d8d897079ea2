"""Prove whose data trained an agent, and pay for it."""

from . import errors
from .certify import Certified, answers, certify
from .client import Client
from .errors import TributeError
from .receipts import Voucher
from .schema import Schema
from .session import Session
from .types import Agent, Dataset, Evaluation
from .verify import Refused, Verified, verify

__all__ = [
    "Agent",
    "Certified",
    "Client",
    "Dataset",
    "Evaluation",
    "Refused",
    "Schema",
    "Session",
    "TributeError",
    "Verified",
    "Voucher",
    "answers",
    "certify",
    "errors",
    "verify",
]
