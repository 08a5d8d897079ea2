"""Prove whose data trained an agent, and pay for it."""

from . import errors
from .certify import Certified, Moved, answers, certify
from .client import Client
from .errors import TributeError
from .extract import Extractor, split
from .reading import Reading
from .receipts import Voucher
from .report import Report
from .schema import Schema
from .session import Session
from .types import Agent, Claim, Dataset, Evaluation, Polish
from .verify import Page, Refused, Verified, verify

__all__ = [
    "Agent",
    "Certified",
    "Claim",
    "Client",
    "Dataset",
    "Evaluation",
    "Extractor",
    "Moved",
    "Page",
    "Polish",
    "Reading",
    "Refused",
    "Report",
    "Schema",
    "Session",
    "TributeError",
    "Verified",
    "Voucher",
    "answers",
    "certify",
    "errors",
    "split",
    "verify",
]
