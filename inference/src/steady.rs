//! Refuses models whose outputs for a record are not its own: in training mode they depend on chance, or on the batch.

use thiserror::Error;

use crate::onnx::{node_name, AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

/// A node that does not give the same output for the same record every time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("node `{node}` ({operator}) {fault}")]
pub struct Unsteady {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// What is wrong with it, and what to do.
    pub fault: &'static str,
}

const TRAINING: &str = "is in training mode: export after `model.eval()`";
const RANDOM: &str = "draws random numbers: export the model without it";

/// Looks for such nodes, also in nested graphs and functions.
///
/// # Errors
/// [`Unsteady`] for the first one.
pub(crate) fn check(model: &ModelProto, graph: &GraphProto) -> Result<(), Unsteady> {
    in_graph(graph)?;
    model.functions.iter().try_for_each(|function| in_nodes(&function.node, &[]))
}

fn in_graph(graph: &GraphProto) -> Result<(), Unsteady> {
    in_nodes(&graph.node, &graph.initializer)
}

fn in_nodes(nodes: &[NodeProto], constants: &[TensorProto]) -> Result<(), Unsteady> {
    let held = |name: &str| {
        let made = nodes.iter().find(|n| n.op_type == "Constant" && n.output.iter().any(|o| o == name));
        let made = made.and_then(|n| n.attribute.iter().find_map(|a| a.t.as_ref()));
        made.or_else(|| constants.iter().find(|t| t.name == name))
    };
    nodes.iter().try_for_each(|node| {
        let fault = match node.op_type.as_str() {
            "Dropout" => node.input.get(2).and_then(|mode| held(mode)).is_some_and(is_true).then_some(TRAINING),
            // before opset 14, further outputs instead of the attribute
            "BatchNormalization" => {
                let marked = |a: &AttributeProto| a.name == "training_mode" && a.i.unwrap_or_default() != 0;
                let trains = node.attribute.iter().any(marked) || node.output.iter().skip(1).any(|o| !o.is_empty());
                trains.then_some(TRAINING)
            }
            "Bernoulli" | "Multinomial" | "RandomNormal" | "RandomNormalLike" | "RandomUniform"
            | "RandomUniformLike" => Some(RANDOM),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(Unsteady { node: node_name(node).into(), operator: node.op_type.clone(), fault });
        }
        node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)).try_for_each(in_graph)
    })
}

fn is_true(tensor: &TensorProto) -> bool {
    tensor.raw_data.iter().any(|b| *b != 0) || tensor.int32_data.iter().any(|b| *b != 0)
}
