"""Custom handler of Inference Endpoints (https://huggingface.co/docs/inference-endpoints/guides/custom_handler).

Pushed models include a copy of this module, which runs without `hf_lstm`.
"""

from typing import Any

from transformers import pipeline

# Parameters of a request, as in https://huggingface.co/docs/inference-providers/tasks/text-classification.
PARAMETERS = ("function_to_apply", "top_k")
FUNCTIONS = ("sigmoid", "softmax", "none")

# Texts in a batch. The scores of a text do not depend on the other texts.
BATCH_SIZE = 32


class EndpointHandler:
    """
    Classify the texts of a request with `pipeline("text-classification")`.

    Args:
        path: Folder of the repository, with the code of the model.
    """

    def __init__(self, path: str = ""):
        self.classify = pipeline("text-classification", model=path, trust_remote_code=True)

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """
        Classify one text or several.

        Args:
            data: The request: `inputs` is a text or a list of texts, `parameters` may have `top_k` (number of labels
                to return, `None` for all) and `function_to_apply` (`"sigmoid"`, `"softmax"` or `"none"`).

        Returns:
            The output of the pipeline.

        Raises:
            ValueError: The request has other contents.
        """
        texts, parameters = data.get("inputs"), data.get("parameters") or {}
        if not isinstance(texts, str) and not (isinstance(texts, list) and all(isinstance(x, str) for x in texts)):
            raise ValueError("`inputs` must be a text or a list of texts.")
        if not isinstance(parameters, dict):
            raise ValueError("`parameters` must be an object.")
        if unknown := sorted(parameters.keys() - set(PARAMETERS)):
            raise ValueError(f"Unknown parameters: {', '.join(unknown)}; choose from {', '.join(PARAMETERS)}.")
        if (function := parameters.get("function_to_apply")) not in (None, *FUNCTIONS):
            raise ValueError(f"Unknown function_to_apply {function!r}; choose from {', '.join(FUNCTIONS)}.")
        top_k = parameters.get("top_k")
        if top_k is not None and (type(top_k) is not int or top_k < 1):
            raise ValueError(f"`top_k` must be a whole number of at least 1, or null for all labels, got {top_k!r}.")
        if texts == []:  # the pipeline raises an IndexError
            return []
        texts = join_surrogates(texts) if isinstance(texts, str) else [join_surrogates(text) for text in texts]
        return self.classify(texts, batch_size=BATCH_SIZE, **parameters)


def join_surrogates(text: str) -> str:
    """Return the text with surrogate pairs joined, and lone surrogates, which have no UTF-8 form, replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
