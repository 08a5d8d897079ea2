//! Guesses from a graph's operators what kind of model it is. This only words refusals: evaluating the model decides
//! whether it is accepted.

use std::collections::HashSet;

use crate::onnx::{attribute, node_name, DataType, GraphProto, NodeProto, TypeValue};

/// The first node that is not affine, and what kind of model it implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// "node `name` (Operator)"; a node without a name is called by its output.
    pub node: String,
    /// Kind of model, and what to use instead.
    pub kind: &'static str,
}

const EXTRACTOR: &str = "a network with hidden layers, or a kernel map before a linear model: cut it off at its last dense layer and use the rest as the extractor (`tribute extract --split BODY`, in Python tribute.split), then train the head on its features";
const ONE_VS_REST: &str = "a one-vs-rest classifier: several binary models, whose probabilities are divided by their sum. Train one model over all classes instead, such as scikit-learn's LogisticRegression";
const NORMALISER: &str = "one logistic function or clip for each class, divided by their sum, as OneVsRestClassifier and SGDClassifier do. Train a LogisticRegression instead, or export the raw scores";
const CALIBRATED: &str =
    "a calibrated or averaged classifier: the mean over several models. Bring one model without calibration";
const CLIP: &str =
    "a clip. Export without it (in scikit-learn `clip=False`): records are kept to the schema's ranges anyway";
const ROUNDING: &str = "a rounding of values that depend on the input. Export without integer casts and without quantised activations (quantised weights are fine)";
const THRESHOLD: &str = "a threshold (binning, binarising or comparing). Bring a model without it";
const TREE: &str = "a model of decision trees. Only dense layers can be certified: train a linear model";
const KERNEL: &str = "a support-vector machine whose answers are not affine, in one operator that cannot be cut. Train a LogisticRegression or LinearSVC instead, if need be after a kernel map such as scikit-learn's KernelPCA, which `tribute extract --split BODY` makes the extractor";
const LINEAR_KERNEL: &str = "a support-vector machine in a form that is not one dense layer. Its kernel is linear: train a LinearSVC instead, or for a regression a LinearSVR or Ridge";
const KERNEL_REGRESSION: &str = "a support-vector machine whose answers are not affine, in one operator that cannot be cut. Train a LinearSVR or Ridge instead, if need be after a kernel map such as scikit-learn's KernelPCA, which `tribute extract --split BODY` makes the extractor";
const SORTED: &str = "a sorting of the classes. Export the scores of all classes, in their order";
const NEIGHBOURS: &str = "a model that compares with stored records. Train a linear model instead";
const PRODUCT: &str = "a product of values that depend on the input (polynomial features or kernel, a quadratic form). Add such columns to the records instead, or, if a dense layer ends the model, use what precedes that as the extractor (`tribute extract --split BODY`)";
const PER_RECORD: &str = "a scaling of each record by its own size. Do it to the records before they are registered";
const BEHIND: &str = "a function of its scores that is neither a softmax nor a logistic function, behind the last dense layer. Export the scores before that (the logits), or train a model that ends in them";
const TRANSFORM: &str = "a transformation that is not affine. Apply it to the records before they are registered";

/// Finds the culprit among the nodes that `output` depends on. `numeric`: the model is so close to affine, or gives what is no number,
/// that a link may be all there is to it.
pub(super) fn culprit(graph: &GraphProto, output: &str, numeric: bool) -> Option<Culprit> {
    let (depends, path) = path(graph, &ancestors(graph, [output]));
    let first = path.iter().position(|n| !is_affine(n, &depends))?;
    let (before, after) = path.split_at(first);
    let node = after[0];
    let found = |node: &NodeProto, kind| Some(Culprit { node: name(node), kind });
    let transform = text(node, "post_transform");
    let link = match node.op_type.as_str() {
        "Softmax" | "LogSoftmax" | "Sigmoid" => true,
        "LinearClassifier" => matches!(transform, b"SOFTMAX" | b"LOGISTIC"),
        _ => false,
    };
    // a link at the end is no culprit, but what is computed from its values may be
    let arranges = |n: &NodeProto| match n.op_type.as_str() {
        "ZipMap" => true,
        "Normalizer" => transform == b"SOFTMAX",
        "Cast" => is_affine(n, &depends),
        op => ARRANGING.contains(&op),
    };
    let computes = |n: &NodeProto| is_affine(n, &HashSet::new()) && !is_dense(n);
    let rest = after[1..].iter().find(|n| !(arranges(n) || numeric && computes(n)));
    let written_out = |n: &&NodeProto| WRITTEN_OUT.contains(&n.op_type.as_str()) || arranges(n);
    let exponential = after.iter().any(|n| matches!(n.op_type.as_str(), "Exp" | "ReduceLogSumExp"));
    if (link && rest.is_none()) || (numeric && exponential && after.iter().all(written_out)) {
        return None;
    }
    if let Some(sorting) = rest.filter(|n| link && n.op_type == "TopK") {
        return found(sorting, SORTED);
    }
    if let Some(kind) = known_model(node, after, link) {
        return found(node, kind);
    }
    match rest {
        Some(rest) if link && !after[1..].iter().any(|n| is_dense(n)) => found(rest, BEHIND),
        _ => found(node, kind(node, before, &after[1..])),
    }
}

/// The values that depend on the graph's inputs, and the nodes that make `needed` ones of them.
fn path<'g>(graph: &'g GraphProto, needed: &HashSet<&str>) -> (HashSet<&'g str>, Vec<&'g NodeProto>) {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut depends: HashSet<&str> =
        graph.input.iter().map(|i| i.name.as_str()).filter(|i| !constants.contains(i)).collect();
    let mut path: Vec<&NodeProto> = Vec::new();
    for node in &graph.node {
        let on_input = node.input.iter().any(|i| depends.contains(i.as_str()));
        if on_input && !matches!(node.op_type.as_str(), "Shape" | "Size") {
            depends.extend(node.output.iter().map(String::as_str));
            if node.output.iter().any(|o| needed.contains(o.as_str())) {
                path.push(node);
            }
        }
    }
    (depends, path)
}

/// `outputs`, and the values that they depend on.
fn ancestors<'g>(graph: &'g GraphProto, outputs: impl IntoIterator<Item = &'g str>) -> HashSet<&'g str> {
    let mut needed: HashSet<&str> = outputs.into_iter().collect();
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|o| needed.contains(o.as_str())) {
            needed.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

/// "node `name` (Operator)"
fn name(node: &NodeProto) -> String {
    format!("node `{}` ({})", node_name(node), node.op_type)
}

fn text<'n>(node: &'n NodeProto, name: &str) -> &'n [u8] {
    node.attribute.iter().find(|a| a.name == name).and_then(|a| a.s.as_deref()).unwrap_or_default()
}

/// Operators that give some of their inputs' values, in another order or shape.
const ARRANGING: &[&str] = &[
    "Identity",
    "Dropout",
    "Flatten",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Concat",
    "Slice",
    "Gather",
    "Split",
    "Expand",
    "Tile",
    "ArrayFeatureExtractor",
    "FeatureVectorizer",
];

/// Operators of which a softmax, its logarithm or a logistic function is written out.
const WRITTEN_OUT: &[&str] =
    &["ReduceMax", "Sub", "Neg", "Exp", "ReduceSum", "ReduceLogSumExp", "Log", "Add", "Div", "Reciprocal"];

/// Further operators that map affine values to affine values, whatever their other inputs.
const AFFINE: &[&str] = &[
    "Pad",
    "CastLike",
    "Add",
    "Sub",
    "Neg",
    "Sum",
    "Mean",
    "ReduceSum",
    "ReduceMean",
    "Scaler",
    "Imputer",
    "BatchNormalization",
    "Conv",
    "ConvTranspose",
    "AveragePool",
    "GlobalAveragePool",
    "DequantizeLinear",
    "LinearRegressor",
];

/// Whether a node maps affine values to affine values.
fn is_affine(node: &NodeProto, depends: &HashSet<&str>) -> bool {
    let varying = node.input.iter().filter(|i| depends.contains(i.as_str())).count();
    match node.op_type.as_str() {
        op if AFFINE.contains(&op) || ARRANGING.contains(&op) => true,
        "MatMul" | "Gemm" | "FusedMatMul" | "Einsum" | "Mul" => varying <= 1,
        "MatMulNBits" => !quantises(node),
        "Div" => varying <= 1 && node.input.first().is_some_and(|i| depends.contains(i.as_str())),
        "Cast" => is_float(attribute(node, "to").unwrap_or_default()),
        "LinearClassifier" => matches!(text(node, "post_transform"), b"" | b"NONE"),
        _ => false,
    }
}

fn is_dense(node: &NodeProto) -> bool {
    const DENSE: [&str; 9] = [
        "MatMul",
        "Gemm",
        "FusedMatMul",
        "MatMulNBits",
        "Einsum",
        "Conv",
        "ConvTranspose",
        "LinearClassifier",
        "LinearRegressor",
    ];
    DENSE.contains(&node.op_type.as_str()) || is_fused(node)
}

/// Whether a node is a dense layer and what follows it in one, such as a recurrent layer.
fn is_fused(node: &NodeProto) -> bool {
    let attention = node.op_type.ends_with("Attention");
    attention || matches!(node.op_type.as_str(), "LSTM" | "GRU" | "RNN" | "FusedGemm" | "FusedConv")
}

/// Whether a product rounds the values that it multiplies with quantised weights.
fn quantises(node: &NodeProto) -> bool {
    const INT8: i64 = 4;
    match node.op_type.as_str() {
        "MatMulNBits" => attribute(node, "accuracy_level") == Some(INT8),
        "DynamicQuantizeMatMul" | "QGemm" => true,
        op => op.starts_with("QLinear") || op.contains("Integer"),
    }
}

fn is_float(element: i64) -> bool {
    [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16].iter().any(|t| *t as i64 == element)
}

/// A kind of model that is known by its operators: its first node that is not affine, whether that is a `link`, and `after`, the nodes
/// from that one on.
fn known_model(node: &NodeProto, after: &[&NodeProto], link: bool) -> Option<&'static str> {
    let has = |ops: &[&str]| after.iter().any(|n| ops.contains(&n.op_type.as_str()));
    let heads = after.iter().filter(|n| n.op_type == "LinearClassifier").count();
    let averaged = has(&["Mean", "Sum", "ReduceMean"]);
    let shared = has(&["Div", "Normalizer"]);
    let dense = after.iter().any(|n| is_dense(n));
    let neighbours = (has(&["TopK"]) && !link) || (has(&["CDist"]) && !dense);
    Some(match node.op_type.as_str() {
        op if op.starts_with("TreeEnsemble") => TREE,
        op if op.starts_with("SVM") && matches!(text(node, "kernel_type"), b"" | b"LINEAR") => LINEAR_KERNEL,
        "SVMRegressor" => KERNEL_REGRESSION,
        op if op.starts_with("SVM") => KERNEL,
        "TopK" => SORTED,
        "LinearClassifier" | "Softmax" | "Sigmoid" | "Exp" if averaged && heads != 1 => CALIBRATED,
        "LinearClassifier" | "Clip" if heads > 1 && has(&["Sigmoid", "Exp", "Clip"]) => CALIBRATED,
        "LinearClassifier" if heads > 1 || shared => ONE_VS_REST,
        "Sigmoid" | "Exp" | "Clip" if shared && !dense => NORMALISER,
        _ if neighbours => NEIGHBOURS,
        _ => return None,
    })
}

/// Kind of model, judged by its first node that is not affine, the nodes `before` it and those `after` it.
fn kind(node: &NodeProto, before: &[&NodeProto], after: &[&NodeProto]) -> &'static str {
    let dense = |nodes: &[&NodeProto]| nodes.iter().any(|n| is_dense(n));
    let (behind, hidden) = (dense(before) || is_fused(node), dense(after));
    match node.op_type.as_str() {
        "Cast" | "Round" | "Floor" | "Ceil" | "QuantizeLinear" | "DynamicQuantizeLinear" => ROUNDING,
        _ if quantises(node) => ROUNDING,
        _ if behind && hidden => EXTRACTOR,
        "Mul" | "Pow" | "MatMul" | "Gemm" | "FusedMatMul" | "Einsum" | "ReduceProd" => PRODUCT,
        _ if behind => BEHIND,
        "Normalizer" | "LpNormalization" | "LayerNormalization" | "InstanceNormalization" => PER_RECORD,
        op if op.starts_with("Reduce") => PER_RECORD,
        "Binarizer" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "Equal" | "Where" | "OneHotEncoder"
        | "LabelEncoder" | "Sign" | "Not" => THRESHOLD,
        "Clip" | "Min" | "Max" => CLIP,
        "Relu" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Erf" | "Tanh" | "Sigmoid"
        | "HardSigmoid" | "HardSwish" | "Softplus" | "Softsign" | "Mish" | "Softmax" | "MaxPool" | "CDist" | "Scan"
        | "Exp" | "Cos" | "Sin"
            if hidden =>
        {
            EXTRACTOR
        }
        _ => TRANSFORM,
    }
}

/// Rounding unit of the least precise float type in which `outputs` are computed from the graph's inputs. Constants count
/// only where such a computation takes them: those that are only kept in low precision, and cast first, are exact.
pub(super) fn unit<'g>(graph: &'g GraphProto, outputs: impl Iterator<Item = &'g str>) -> f64 {
    let needed = ancestors(graph, outputs);
    let (depends, path) = path(graph, &needed);
    let taken: HashSet<&str> = path.iter().flat_map(|n| n.input.iter().map(String::as_str)).collect();
    let constants = graph.initializer.iter().filter(|t| taken.contains(t.name.as_str()));
    let made = graph.node.iter().filter(|n| n.output.iter().any(|o| taken.contains(o.as_str())));
    let made = made.filter(|n| n.op_type == "Constant").chain(path.iter().copied());
    let held = made.flat_map(|n| n.attribute.iter().filter_map(|a| a.t.as_ref()));
    let held = constants.chain(held).map(|t| i64::from(t.data_type));
    let casts = path.iter().filter(|n| n.op_type == "Cast").filter_map(|n| attribute(n, "to"));
    let tensor = |TypeValue::TensorType(t): &TypeValue| i64::from(t.elem_type);
    let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    let values = values.filter(|v| depends.contains(v.name.as_str()) && needed.contains(v.name.as_str()));
    let values = values.filter_map(|v| v.r#type.as_ref()?.value.as_ref().map(tensor));
    let types: HashSet<i64> = held.chain(casts).chain(values).collect();
    if types.contains(&(DataType::Bfloat16 as i64)) {
        2f64.powi(-8)
    } else if types.contains(&(DataType::Float16 as i64)) {
        2f64.powi(-11)
    } else {
        2f64.powi(-24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{AttributeProto, ValueInfoProto};

    /// The kind of a chain of nodes, each with its kernel or its link.
    fn kind_of(nodes: &[(&str, &[u8])]) -> &'static str {
        let value = |at: usize| format!("v{at}");
        let node = |(at, (op, text)): (usize, &(&str, &[u8]))| NodeProto {
            op_type: (*op).into(),
            input: vec![value(at)],
            output: vec![value(at + 1)],
            attribute: ["kernel_type", "post_transform"]
                .map(|name| AttributeProto { name: name.into(), s: Some(text.to_vec()), ..AttributeProto::default() })
                .to_vec(),
            ..NodeProto::default()
        };
        let input = ValueInfoProto { name: value(0), r#type: None };
        let node = nodes.iter().enumerate().map(node).collect();
        let graph = GraphProto { input: vec![input], node, ..GraphProto::default() };
        culprit(&graph, &value(nodes.len()), false).unwrap().kind
    }

    #[test]
    fn what_replaces_a_support_vector_machine_depends_on_its_kernel_and_task() {
        assert_eq!(kind_of(&[("SVMClassifier", b"LINEAR")]), LINEAR_KERNEL);
        assert_eq!(kind_of(&[("SVMRegressor", b"LINEAR")]), LINEAR_KERNEL);
        assert_eq!(kind_of(&[("SVMClassifier", b"RBF")]), KERNEL);
        assert_eq!(kind_of(&[("SVMRegressor", b"RBF")]), KERNEL_REGRESSION);
    }

    #[test]
    fn sorted_scores_are_no_neighbours() {
        assert_eq!(kind_of(&[("Gemm", b""), ("Softmax", b""), ("TopK", b"")]), SORTED);
        assert_eq!(kind_of(&[("Gemm", b""), ("TopK", b"")]), SORTED);
        assert_eq!(kind_of(&[("CDist", b""), ("TopK", b"")]), NEIGHBOURS);
        // as skl2onnx writes a LogisticRegression
        let link = ("LinearClassifier", &b"SOFTMAX"[..]);
        assert_eq!(kind_of(&[link, ("TopK", b"")]), SORTED);
        assert_eq!(kind_of(&[link, ("Normalizer", b""), ("TopK", b"")]), SORTED);
    }

    #[test]
    fn what_is_computed_from_probabilities_is_behind_the_scores() {
        for link in [("Softmax", &b""[..]), ("LinearClassifier", b"SOFTMAX"), ("LinearClassifier", b"LOGISTIC")] {
            assert_eq!(kind_of(&[link, ("Clip", b"")]), BEHIND, "{link:?}");
            assert_ne!(kind_of(&[link, ("Clip", b""), ("Gemm", b"")]), BEHIND, "{link:?}");
        }
        assert_eq!(kind_of(&[("LinearClassifier", b"LOGISTIC"), ("Normalizer", b"")]), ONE_VS_REST);
    }
}
