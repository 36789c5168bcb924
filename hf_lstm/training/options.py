"""Convert keyword options to dataclasses of arguments, and format them as a Python call."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints


def build_arguments(groups: Sequence[type], options: Mapping[str, Any], function: str) -> tuple[Any, ...]:
    """
    Create one dataclass of each group from keyword options.

    Args:
        groups: Dataclasses of arguments. No name occurs in two of them.
        options: Value of each option by name.
        function: Name of the function that was called, for the error message.

    Returns:
        One instance of each group, in the same order.

    Raises:
        TypeError: An option does not exist; the message suggests the closest one.
        ValueError: The value of an option is not one of the values that it accepts.
    """
    names = {field.name for group in groups for field in fields(group) if field.init}
    for name, value in options.items():
        if name not in names:
            close = get_close_matches(name, sorted(names), n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"{function}() has no option {name!r}{hint}")
        _check_choice(groups, name, value)
    return tuple(
        group(**{field.name: options[field.name] for field in fields(group) if field.name in options})
        for group in groups
    )


def arguments_from_call(
    groups: Sequence[type], data: Any, output_dir: str | Path | None, options: Mapping[str, Any], function: str
) -> tuple[str, tuple[Any, ...]]:
    """
    Convert the arguments of a Python call to dataclasses, and format the call.

    Args:
        groups: Dataclasses of arguments, with the fields `dataset` and `output_dir`.
        data: First argument of the call, which replaces the option `dataset`.
        output_dir: Folder to write to, or `None` for the default.
        options: Value of each option by name.
        function: Name of the function that was called.

    Returns:
        The call, for the model card, and one instance of each group.

    Raises:
        TypeError: An option does not exist, or both `data` and the option `dataset` were given.
        ValueError: The value of an option is not one of the values that it accepts.
    """
    if data is not None and options.get("dataset") is not None:
        raise TypeError(f"{function}() got both `data` and `dataset`; remove one of them.")
    folder = {} if output_dir is None else {"output_dir": str(output_dir)}
    return format_call(function, data, options), build_arguments(groups, {**options, **folder}, function)


def _check_choice(groups: Sequence[type], name: str, value: Any) -> None:
    """Raise an error if an option whose field lists its values has another one; dataclasses do not check this."""
    for group in groups:
        annotation = get_type_hints(group).get(name)
        kinds = [kind for kind in (annotation, *get_args(annotation)) if get_origin(kind) is Literal]
        choices = [choice for kind in kinds for choice in get_args(kind)]
        for field in fields(group):
            choices += field.metadata.get("choices", ()) if field.name == name else ()
        if choices and value is not None and value not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}, got {value!r}.")


def format_call(function: str, data: Any, options: Mapping[str, Any]) -> str:
    """
    Return the Python call of a training, for the model card.

    Args:
        function: Name of the function.
        data: Its first argument; data in memory is shown as its type.
        options: Its keyword options; a token is not shown.
    """
    shown = [] if data is None else [repr(data) if isinstance(data, str) else f"<{type(data).__name__}>"]
    for name, value in options.items():
        if name.endswith("token"):
            value = "***"
        shown.append(
            f"{name}={value!r}"
            if isinstance(value, str | int | float | bool | list | tuple | None)
            else f"{name}=<{type(value).__name__}>"
        )
    return f"{function}({', '.join(shown)})"
