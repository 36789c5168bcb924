"""Soft labels from teachers: fitted models, files, any classifier, sentence encoders and functions."""

from .fitted_teachers import Task, Teacher
from .soft_labels import SOFT_LABELS_FILE, label_with_teachers
from .teacher_check import check_teachers
from .teacher_kinds import find_teacher
from .teacher_labels import parse_teacher_labels

__all__ = [
    "SOFT_LABELS_FILE",
    "Task",
    "Teacher",
    "check_teachers",
    "find_teacher",
    "label_with_teachers",
    "parse_teacher_labels",
]
