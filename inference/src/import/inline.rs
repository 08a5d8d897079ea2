//! Puts the nodes of a model's own functions where they are called, so that what a graph does can be read from its operators.

use std::collections::HashMap;

use crate::onnx::{node_name, FunctionProto, GraphProto, NodeProto};

/// Functions that call others are followed so deep.
const DEPTH: usize = 8;
/// Calls that would make more nodes than this are left.
const NODES: usize = 1 << 16;

/// The graph without calls of `functions`. Attributes of a call are not passed on, and functions nested deeper than [`DEPTH`], or in
/// graphs within nodes, are left.
pub(super) fn inlined(mut graph: GraphProto, functions: &[FunctionProto]) -> GraphProto {
    let called = |node: &NodeProto| functions.iter().find(|f| f.name == node.op_type && f.domain == node.domain);
    for _ in 0..DEPTH {
        let count: usize = graph.node.iter().map(|node| called(node).map_or(1, |f| f.node.len())).sum();
        if count > NODES || !graph.node.iter().any(|node| called(node).is_some()) {
            break;
        }
        let expanded = std::mem::take(&mut graph.node).into_iter().flat_map(|node| match called(&node) {
            Some(function) => body(function, &node),
            None => vec![node],
        });
        graph.node = expanded.collect();
    }
    graph
}

/// The nodes of `function` with the values that `call` gives and takes.
fn body(function: &FunctionProto, call: &NodeProto) -> Vec<NodeProto> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (formal, actual) in [(&function.input, &call.input), (&function.output, &call.output)] {
        names.extend(formal.iter().zip(actual).map(|(f, a)| (f.as_str(), a.as_str())));
    }
    let renamed = |value: &String| match names.get(value.as_str()) {
        Some(actual) => (*actual).to_owned(),
        None if value.is_empty() => String::new(),
        // no two nodes have one output
        None => format!("{}/{value}", call.output.first().map_or("", String::as_str)),
    };
    let inside = |node: &NodeProto| NodeProto {
        name: node_name(node).to_owned(),
        input: node.input.iter().map(renamed).collect(),
        output: node.output.iter().map(renamed).collect(),
        ..node.clone()
    };
    function.node.iter().map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(op: &str, input: &[&str], output: &[&str]) -> NodeProto {
        let all = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        NodeProto { op_type: op.into(), input: all(input), output: all(output), ..NodeProto::default() }
    }

    fn function(name: &str, input: &[&str], output: &[&str], node: Vec<NodeProto>) -> FunctionProto {
        let all = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        FunctionProto { name: name.into(), input: all(input), output: all(output), node, ..FunctionProto::default() }
    }

    fn lines(graph: &GraphProto) -> Vec<String> {
        graph.node.iter().map(|n| format!("{} = {}({})", n.output.join(", "), n.op_type, n.input.join(", "))).collect()
    }

    #[test]
    fn calls_are_replaced_by_what_they_do() {
        let layer = function(
            "Layer",
            &["a", "w"],
            &["o"],
            vec![node("MatMul", &["a", "w"], &["m"]), node("Bend", &["m", ""], &["o"])],
        );
        let bend = function("Bend", &["a", "unused"], &["o"], vec![node("Relu", &["a"], &["o"])]);
        let nodes = vec![
            node("Layer", &["x", "w1"], &["h"]),
            node("Layer", &["h", "w2"], &["m"]),
            node("Add", &["m", "b"], &["z"]),
        ];
        let graph = inlined(GraphProto { node: nodes.clone(), ..GraphProto::default() }, &[layer.clone(), bend]);
        let wanted = ["h/m = MatMul(x, w1)", "h = Relu(h/m)", "m/m = MatMul(h, w2)", "m = Relu(m/m)", "z = Add(m, b)"];
        assert_eq!(lines(&graph), wanted);

        // one of another domain is no call, and what calls itself has an end
        let other = GraphProto { node: nodes.clone(), ..GraphProto::default() };
        assert_eq!(inlined(other.clone(), &[FunctionProto { domain: "other".into(), ..layer }]), other);
        let twice = vec![node("Layer", &["a"], &["m"]), node("Layer", &["m"], &["o"])];
        let endless = inlined(other, &[function("Layer", &["a"], &["o"], twice)]);
        assert_eq!(endless.node.len(), 2 * (1 << DEPTH) + 1);
    }
}
