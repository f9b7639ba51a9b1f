"""Export to ONNX: converters of the estimators for skl2onnx."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmoe._docs import see
from skmoe._fixed import asked_for
from skmoe._glm import MixtureOfGLMExperts
from skmoe._linear import MixtureOfLinearExperts
from skmoe._logistic import MixtureOfLogisticExperts
from skmoe.distributions.log_link import log_bounds

__all__ = ["register_converters"]


def register_converters() -> None:
    """Teach skl2onnx to convert the estimators.

    Call it before `skl2onnx.to_onnx` or `skl2onnx.convert_sklearn`; to call it again
    does no harm.  :class:`~skmoe.MixtureOfLinearExperts`,
    :class:`~skmoe.MixtureOfLogisticExperts` and :class:`~skmoe.MixtureOfGLMExperts`
    then convert alone and in a pipeline or a search.  Outputs are:

    - regressors: `variable`, which is ``predict(X)`` of shape (n_samples, n_outputs)
      with one column if y had one dimension, and `gate`, which is ``gate_proba(X)``;
    - classifier: `label`, which is ``predict(X)`` in int64 or strings,
      `probabilities`, which is ``predict_proba(X)``, and `gate`.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    The graph calculates in the type of its input: float64 for float64, else float32.
    Features far from zero or of very different scales lose digits in float32; put a
    :class:`~sklearn.preprocessing.StandardScaler` before the estimator, or give
    float64.  `probabilities` is always one array of shape (n_samples, n_classes):
    skl2onnx's option `zipmap`, which makes a list of dicts of it and does not know
    float64, has no effect.  There is no `gate` inside an ensemble such as
    :class:`~sklearn.ensemble.VotingRegressor`.

    Examples
    --------
    With ``pip install 'skmoe[onnx]' onnxruntime``::

        import numpy as np
        from onnxruntime import InferenceSession
        from skl2onnx import to_onnx

        from skmoe import MixtureOfLinearExperts
        from skmoe.onnx import register_converters

        X = np.linspace(-1, 1, 201, dtype=np.float32)[:, None]
        model = MixtureOfLinearExperts(random_state=0).fit(X, np.abs(X[:, 0]))
        register_converters()
        exported = to_onnx(model, X[:1]).SerializeToString()
        session = InferenceSession(exported, providers=["CPUExecutionProvider"])
        prediction, gate = session.run(["variable", "gate"], {"X": X})
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "Export to ONNX needs skl2onnx: pip install 'skmoe[onnx]'."
        ) from error
    for kind in (MixtureOfLinearExperts, MixtureOfGLMExperts):
        update_registered_converter(
            kind,
            f"Skmoe{kind.__name__}",
            _set_regressor_shapes,
            _convert_regressor,
            parser=_parse_regressor,
        )
    # A pipeline hands zipmap=True to its last step unless told otherwise, so True must
    # be allowed; 'columns' can only come from a user, and is refused.
    update_registered_converter(
        MixtureOfLogisticExperts,
        "SkmoeMixtureOfLogisticExperts",
        _set_classifier_shapes,
        _convert_classifier,
        parser=_parse_classifier,
        options={"zipmap": [True, False]},
    )


def _parse_regressor(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of a regressor, two variables."""
    check_is_fitted(model)
    if names := asked_for(model._fitted["settings"]):
        raise ValueError(
            f"{' and '.join(names)}: experts without coefficients have no converter to "
            "ONNX; keep the model as a pickle or by skops, or fit one without them."
            + see("Export")
        )
    return _declare(scope, model, inputs, ["variable", "gate"])


def _parse_classifier(scope, model, inputs, custom_parsers=None):
    """Declare the outputs of a classifier, three variables."""
    scope.get_options(model, {"zipmap": False})  # refuses what is not allowed
    return _declare(scope, model, inputs, ["label", "probabilities", "gate"])


def _declare(scope, model, inputs, names):
    """Declare an operator and its outputs, floats until shapes are calculated."""
    from skl2onnx import get_model_alias
    from skl2onnx.common.data_types import guess_tensor_type

    check_is_fitted(model)
    operator = scope.declare_local_operator(get_model_alias(type(model)), model)
    operator.inputs = inputs
    for name in names:
        kind = guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _set_regressor_shapes(operator):
    """Types and shapes of a regressor's outputs."""
    intercept = operator.raw_operator.intercept_
    n_outputs = 1 if intercept.ndim == 1 else intercept.shape[1]
    # Other estimators that contain this one ask for the prediction only.
    _set_shapes(operator, operator.outputs, [n_outputs, intercept.shape[0]])


def _set_classifier_shapes(operator):
    """Types and shapes of a classifier's outputs."""
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model = operator.raw_operator
    n_classes, n_experts = len(model.classes_), model.intercept_.shape[0]
    _set_shapes(operator, operator.outputs[1:], [n_classes, n_experts])
    strings = _labels(model.classes_).dtype.kind == "U"
    kind = StringTensorType if strings else Int64TensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension()])


def _set_shapes(operator, outputs, widths):
    """Outputs of shape (n, width) in the input's type of float."""
    from skl2onnx.common.data_types import guess_tensor_type
    from skl2onnx.common.utils import check_input_and_output_numbers

    check_input_and_output_numbers(operator, input_count_range=1)
    n_rows = operator.inputs[0].get_first_dimension()
    for output, width in zip(outputs, widths):
        output.type = guess_tensor_type(operator.inputs[0].type)
        output.type.shape = [n_rows, width]


def _convert_regressor(scope, operator, container):
    """Nodes of E[y | x], (n, m), and of the gate."""
    model = operator.raw_operator
    graph = _Graph(operator, container)
    gate = graph.gate(operator.outputs[1:])
    mean = graph.predictor(model.coef_, _two_axes(model.intercept_))
    mean = getattr(graph, model._fitted_distribution().inverse_link)(mean)
    mixed = graph.mixed(gate, mean, operator.outputs[:1])
    for node in (gate, mixed):
        node.add_to(scope, container)


def _convert_classifier(scope, operator, container):
    """Nodes of the label, (n,), the class probabilities, (n, C), and the gate."""
    model = operator.raw_operator
    graph = _Graph(operator, container)
    gate = graph.gate(operator.outputs[2:])
    coef, intercept = _class_coefficients(model)
    proba = graph.softmax(graph.predictor(coef, intercept), axis=2)
    mixed = graph.at_most_one(graph.mixed(gate, proba), operator.outputs[1:2])
    label = graph.label(mixed, _labels(model.classes_), operator.outputs[:1])
    for node in (gate, mixed, label):
        node.add_to(scope, container)


class _Graph:
    """Nodes of one operator, all in its type of float."""

    def __init__(self, operator, container):
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        self.opset = container.target_opset
        self.model = operator.raw_operator
        self.X = operator.inputs[0]
        double = isinstance(self.X.type, DoubleTensorType)
        self.dtype = np.float64 if double else np.float32
        if not isinstance(self.X.type, DoubleTensorType | FloatTensorType):
            self.X = self._node("Cast", self.X, to=1)  # TensorProto.FLOAT

    def gate(self, outputs):
        """Gate probabilities, (n, K): products along the paths of a tree."""
        model, shape = self.model, self.model.gate_intercept_.shape
        gate, columns = model._model().gate, model._fitted["columns"][0]
        intercept, n_nodes, proba = model.gate_intercept_.ravel(), 1, None
        coef = model.gate_coef_.reshape(intercept.size, -1)
        for level in gate.levels:
            values = self._affine(coef[level], intercept[level], columns)
            n_branches = level.stop - level.start
            if not gate.is_continuous:
                values = self._close_all_but(values, gate.n_counted)
            names = outputs * (level.stop == intercept.size)
            if proba is None:
                proba = self.softmax(values, axis=1, outputs=names)
            else:
                values = self._reshaped(values, n_nodes, shape[-1])
                values = self.softmax(values, axis=2)
                values = self._node("Mul", self._reshaped(proba, n_nodes, 1), values)
                proba = self._reshaped(values, n_branches, outputs=names)
            n_nodes = n_branches
        return proba

    def _close_all_but(self, logits, top_k):
        """Logits, all but the largest minus infinity, (n, K).

        Of equal ones the first count, as in the engine.
        """
        from skl2onnx.algebra.onnx_ops import OnnxReduceSumApi11

        best = self._node("TopK", logits, np.array([top_k], dtype=np.int64), axis=1)
        n_experts = np.array([self.model.intercept_.shape[0]], dtype=np.int64)
        ends = np.array([0, 1], dtype=np.float32)
        chosen = self._node("OneHot", best[1], n_experts, ends, axis=2)
        counts = OnnxReduceSumApi11(chosen, axes=[1], keepdims=0, op_version=self.opset)
        is_open = self._node("Cast", counts, to=9)  # TensorProto.BOOL
        return self._node("Where", is_open, logits, np.array([-np.inf], self.dtype))

    def _reshaped(self, values, *shape, outputs=None):
        """Values of the rows in another shape, (n, ...)."""
        # ONNX reads 0 as the length that is there.
        shape = np.array([0, *shape], dtype=np.int64)
        return self._node("Reshape", values, shape, output_names=outputs or None)

    def predictor(self, coef, intercept):
        """Linear predictors of the experts, (..., d), (K, q) -> (n, K, q)."""
        flat = coef.reshape(intercept.size, coef.shape[-1])
        values = self._affine(flat, intercept.ravel(), self.model._fitted["columns"][1])
        return self._reshaped(values, *intercept.shape)

    def mixed(self, gate, values, outputs=None):
        """Mean of experts' values under the gate, (n, K), (n, K, q) -> (n, q)."""
        from skl2onnx.algebra.onnx_ops import OnnxReduceSumApi11

        column = self._reshaped(gate, self.model.intercept_.shape[0], 1)
        weighted = self._node("Mul", column, values)
        return OnnxReduceSumApi11(
            weighted, axes=[1], keepdims=0, op_version=self.opset, output_names=outputs
        )

    def softmax(self, logits, axis, outputs=None):
        """Softmax along the last axis."""
        return self._node("Softmax", logits, axis=axis, output_names=outputs or None)

    def at_most_one(self, values, outputs):
        """Probabilities that rounding may have left above 1."""
        one = np.ones(1, dtype=self.dtype)
        return self._node("Min", values, one, output_names=outputs)

    def identity(self, values):
        """The predictors."""
        return values

    def sigmoid(self, values):
        """Probabilities of success."""
        return self._node("Sigmoid", values)

    def exp(self, values):
        """Means that the type of float can hold."""
        bounds = (np.array(bound, self.dtype) for bound in log_bounds(self.dtype))
        return self._node("Exp", self._node("Clip", values, *bounds))

    def label(self, proba, labels, outputs):
        """Most probable of the labels, (n, C), (C,) -> (n,)."""
        best = self._node("ArgMax", proba, axis=1, keepdims=0)
        return self._node("Gather", labels, best, output_names=outputs)

    def _affine(self, coef, intercept, columns):
        """X coef' + intercept, (q, d), (q,) -> (n, q)."""
        # Zeros for the columns that are left out: no Gather, and no empty matrix for
        # a constant gate.
        full = np.zeros((coef.shape[0], self.model.n_features_in_))
        full[:, slice(None) if columns is None else columns] = coef
        matrix, bias = full.T.astype(self.dtype), intercept.astype(self.dtype)
        return self._node("Gemm", self.X, matrix, bias)

    def _node(self, kind, *inputs, **attributes):
        """One node of a standard operator."""
        from skl2onnx.algebra import onnx_ops

        make = getattr(onnx_ops, f"Onnx{kind}")
        return make(*inputs, op_version=self.opset, **attributes)


def _class_coefficients(model):
    """Coefficients of all classes' logits, (K, C, d) and (K, C)."""
    coef, intercept = model.coef_, model.intercept_
    if intercept.ndim == 2:
        return coef, intercept
    # Two classes: the logit of the first is zero.
    return (
        np.stack([np.zeros_like(coef), coef], axis=1),
        np.stack([np.zeros_like(intercept), intercept], axis=1),
    )


def _two_axes(intercept):
    """Intercepts with an axis of outputs, (K, m)."""
    return intercept if intercept.ndim == 2 else intercept[:, None]


def _labels(classes):
    """Classes as ONNX has them, int64 or strings, (C,)."""
    labels = np.asarray(classes.tolist())
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind in "biuf" and (labels == labels.astype(np.int64)).all():
        return labels.astype(np.int64)
    raise ValueError(
        f"ONNX has labels that are integers or strings, got classes_={classes!r}; fit "
        "to integers or strings."
    )
