"""The tables of a study: fields and constraints, no logic. One file for each subject."""

from labeler.models.images import (
    Consent,
    ConsentScope,
    Image,
    Measurement,
    PrescreenDecision,
    PrescreenRule,
    ProvisionalScore,
    SimilarPair,
)
from labeler.models.jobs import ErasedImage, Erasure, Intake, IntakeFile, StudyJob
from labeler.models.people import Invitation, ProviderSession, Role, User
from labeler.models.readings import (
    Assignment,
    DayTally,
    Doubt,
    InputKind,
    Label,
    NotGradable,
    ReasonTally,
    StudyTally,
    TimeTally,
)
from labeler.models.records import AuditEvent, ErasedNote, LedgerBlock, LedgerFact, LedgerMark, draw_salt
from labeler.models.studies import AtlasPicture, Commitment, Dealing, GradeLevel, Reader, Study, draw_seed

__all__ = [
    "Assignment",
    "AtlasPicture",
    "AuditEvent",
    "Commitment",
    "Consent",
    "ConsentScope",
    "DayTally",
    "Dealing",
    "Doubt",
    "ErasedImage",
    "ErasedNote",
    "Erasure",
    "GradeLevel",
    "Image",
    "InputKind",
    "Intake",
    "IntakeFile",
    "Invitation",
    "Label",
    "LedgerBlock",
    "LedgerFact",
    "LedgerMark",
    "Measurement",
    "NotGradable",
    "PrescreenDecision",
    "PrescreenRule",
    "ProviderSession",
    "ProvisionalScore",
    "Reader",
    "ReasonTally",
    "Role",
    "SimilarPair",
    "Study",
    "StudyJob",
    "StudyTally",
    "TimeTally",
    "User",
    "draw_salt",
    "draw_seed",
]
