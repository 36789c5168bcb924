"""Arguments of the teachers of a training."""

from dataclasses import dataclass, field

from .teacher_labels import parse_teacher_labels


@dataclass
class TeacherArguments:
    """The teachers, and the texts that they label."""

    teacher: list[str] | None = field(
        default=None,
        metadata={"help": "classifiers, files, linear, latent, encoder:ID: learn from them (default: none)"},
    )
    teacher_labels: dict[str, str] | str | None = field(
        default=None,
        metadata={"help": "their labels, as in LABEL_0=bad,LABEL_1=good; LABEL_2= drops one (default: same names)"},
    )
    trust_remote_code: bool = field(
        default=False, metadata={"help": "run model code from the repositories of teachers and vectors"}
    )
    augment: int = field(
        default=0, metadata={"help": "changed texts per training text for the teachers to label; 0: none"}
    )
    unlabelled: str | None = field(
        default=None, metadata={"help": "texts for the teachers to label, or `none` (default: unlabelled splits)"}
    )
    passage_words: int = field(
        default=0, metadata={"help": "let teachers label passages of this many words; 0: whole texts"}
    )

    def __post_init__(self):
        # In Python, a teacher may also be a pipeline or a function. YAML files have `False` for `no`.
        teachers = self.teacher if isinstance(self.teacher, list | tuple) else [self.teacher]
        self.teacher = [teacher for teacher in teachers if teacher not in (None, False, "no")] or None
        if self.teacher_labels is not None:
            self.teacher_labels = parse_teacher_labels(self.teacher_labels)
        for name in ("passage_words", "augment"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0, got {getattr(self, name)}.")
        if self.teacher is None and (self.unlabelled is not None or self.passage_words):
            raise ValueError("`--unlabelled` and `--passage_words` require `--teacher`.")
        if self.teacher is None and (self.augment or self.teacher_labels):
            raise ValueError("`--augment` and `--teacher_labels` require `--teacher`.")
