//! Follows a graph from its input to its head.

use std::collections::HashMap;
use std::rc::Rc;

use ndarray::{Array1, Array2};
use tribute_core::link::Link;

use super::affine::Affine;
use super::ImportError;
use crate::onnx::{self, AttributeProto, DimensionValue, GraphProto, NodeProto, TensorProto, TypeValue};

/// A dense layer with what comes after it.
pub(super) struct Found {
    /// From the model's input to its logits.
    pub(super) map: Affine,
    /// Its link function, if the graph has one.
    pub(super) link: Option<Link>,
    /// Class labels, if the graph names them.
    pub(super) labels: Vec<String>,
    /// Name of the head's node.
    pub(super) node: String,
}

/// What is known about a value of the graph.
#[derive(Clone)]
enum Value {
    /// A constant.
    Constant(Rc<TensorProto>),
    /// An affine function of the input, made by the node named.
    Affine(Rc<Affine>, String),
    /// A head's probabilities or scores.
    Predicted,
    /// Labels and other things behind the head.
    Behind,
}

/// The one head of `graph`, whose input has `features` features.
pub(super) fn find_head(graph: &GraphProto, features: usize) -> Result<Found, ImportError> {
    let mut walk = Walk { values: HashMap::new(), heads: Vec::new() };
    for tensor in &graph.initializer {
        walk.values.insert(tensor.name.clone(), Value::Constant(Rc::new(tensor.clone())));
    }
    let input = input_name(graph, &walk.values, features)?;
    walk.values.insert(input, Value::Affine(Rc::new(Affine::identity(features)), String::new()));
    for node in &graph.node {
        walk.step(node)?;
    }
    for output in &graph.output {
        // plain logits; the untouched input is no head
        if let Some(Value::Affine(map, node)) = walk.values.get(&output.name).cloned() {
            if !node.is_empty() {
                walk.head(&map, None, Vec::new(), node);
            }
        }
    }
    if walk.heads.len() > 1 {
        return Err(walk.many_heads());
    }
    walk.heads.pop().ok_or(ImportError::NoHead)
}

/// The name of the one input that is no constant, if its shape fits.
fn input_name(graph: &GraphProto, constants: &HashMap<String, Value>, features: usize) -> Result<String, ImportError> {
    let inputs: Vec<_> = graph.input.iter().filter(|i| !constants.contains_key(&i.name)).collect();
    let shape = |i: &onnx::ValueInfoProto| -> Vec<Option<i64>> {
        let Some(TypeValue::TensorType(tensor)) = i.r#type.as_ref().and_then(|t| t.value.clone()) else {
            return vec![];
        };
        let known = |d: onnx::Dimension| match d.value {
            Some(DimensionValue::DimValue(v)) if v > 0 => Some(v),
            _ => None,
        };
        tensor.shape.map(|s| s.dim.into_iter().map(known).collect()).unwrap_or_default()
    };
    if let [input] = inputs[..] {
        if matches!(shape(input)[..], [_, width] if width.is_none_or(|w| w == features as i64)) {
            return Ok(input.name.clone());
        }
    }
    let size = |d: Option<i64>| d.map_or_else(|| "?".into(), |d| d.to_string());
    let text = |i: &&onnx::ValueInfoProto| {
        format!("`{}` [{}]", i.name, shape(i).into_iter().map(size).collect::<Vec<_>>().join(", "))
    };
    let found = inputs.iter().map(text).collect::<Vec<_>>().join(", ");
    Err(ImportError::Input { found, features })
}

struct Walk {
    values: HashMap<String, Value>,
    heads: Vec<Found>,
}

impl Walk {
    /// Notes a head, once.
    fn head(&mut self, map: &Affine, link: Option<Link>, labels: Vec<String>, node: String) {
        if !self.heads.iter().any(|h| h.node == node && h.map == *map && h.link == link) {
            self.heads.push(Found { map: map.clone(), link, labels, node });
        }
    }

    fn many_heads(&self) -> ImportError {
        ImportError::ManyHeads { nodes: self.heads.iter().map(|h| h.node.clone()).collect() }
    }

    fn step(&mut self, node: &NodeProto) -> Result<(), ImportError> {
        let inputs: Vec<Option<Value>> = node.input.iter().map(|i| self.values.get(i).cloned()).collect();
        let affine = inputs.iter().position(|v| matches!(v, Some(Value::Affine(..))));
        let value = if let Some(at) = affine {
            let Some(Some(Value::Affine(map, from))) = inputs.get(at).cloned() else { return Ok(()) };
            self.step_affine(node, at, &map, from, &inputs)?
        } else if inputs.iter().any(|v| matches!(v, Some(Value::Predicted))) {
            match node.op_type.as_str() {
                "Identity" | "Cast" | "Normalizer" => Value::Predicted,
                "ZipMap" | "ArgMax" => Value::Behind,
                _ if self.heads.len() > 1 => return Err(self.many_heads()),
                op => return Err(unsupported(node, format!("{op} on the head's probabilities"))),
            }
        } else {
            match (node.op_type.as_str(), inputs.as_slice()) {
                ("Constant", []) => match attribute(node, "value").and_then(|a| a.t.clone()) {
                    Some(tensor) => Value::Constant(Rc::new(tensor)),
                    None => Value::Behind,
                },
                ("Identity", [Some(value)]) => value.clone(),
                _ => Value::Behind,
            }
        };
        for (i, output) in node.output.iter().enumerate() {
            // a classifier's first output are labels; probabilities come second
            let classifier = node.op_type == "LinearClassifier";
            let value = if classifier && i == 0 { Value::Behind } else { value.clone() };
            self.values.insert(output.clone(), value);
        }
        Ok(())
    }

    fn step_affine(
        &mut self,
        node: &NodeProto,
        at: usize,
        map: &Rc<Affine>,
        from: String,
        inputs: &[Option<Value>],
    ) -> Result<Value, ImportError> {
        let op = node.op_type.as_str();
        let made = |map: Affine| Ok(Value::Affine(Rc::new(map), name(node)));
        let other = || constant(node, inputs, 1 - at.min(1));
        match op {
            "Identity" | "Cast" | "Dropout" => Ok(Value::Affine(map.clone(), from)),
            "Flatten" if int(node, "axis", 1) == 1 => Ok(Value::Affine(map.clone(), from)),
            "Reshape" => {
                let shape = onnx::read_i64(&*tensor(node, inputs, 1)?)?;
                let same = matches!(shape[..], [_, w] if w == -1 || w == map.outputs() as i64);
                if same {
                    Ok(Value::Affine(map.clone(), from))
                } else {
                    Err(unsupported(node, format!("Reshape to {shape:?}")))
                }
            }
            "Scaler" => {
                let (offset, scale) = (floats(node, "offset"), floats(node, "scale"));
                let offset = broadcast(node, offset, map.outputs(), 0.0)?;
                let scale = broadcast(node, scale, map.outputs(), 1.0)?;
                made(map.then_shift(&-offset).then_scale(&scale))
            }
            "Add" => made(map.then_shift(&broadcast(node, other()?, map.outputs(), 0.0)?)),
            "Sub" if at == 0 => made(map.then_shift(&-broadcast(node, other()?, map.outputs(), 0.0)?)),
            "Mul" => made(map.then_scale(&broadcast(node, other()?, map.outputs(), 1.0)?)),
            "Div" if at == 0 => made(map.then_scale(&broadcast(node, other()?, map.outputs(), 1.0)?.recip())),
            "MatMul" if at == 0 => made(map.then_matrix(&matrix(node, inputs, 1, false, map.outputs())?)),
            "Gemm" if at == 0 && int(node, "transA", 0) == 0 => {
                let transposed = int(node, "transB", 0) != 0;
                let weight = matrix(node, inputs, 1, transposed, map.outputs())? * float(node, "alpha", 1.0);
                let product = map.then_matrix(&weight);
                if node.input.len() < 3 {
                    return made(product);
                }
                let bias = broadcast(node, constant(node, inputs, 2)?, product.outputs(), 0.0)?;
                made(product.then_shift(&(bias * float(node, "beta", 1.0))))
            }
            "Softmax" | "LogSoftmax" | "Sigmoid" => {
                let axis = int(node, "axis", -1);
                if op != "Sigmoid" && axis != -1 && axis != 1 {
                    return Err(unsupported(node, format!("softmax over axis {axis}, not over the classes")));
                }
                let link = if op == "Sigmoid" { Link::Logistic } else { Link::Softmax };
                // named after the dense layer that made the logits
                self.head(map, Some(link), Vec::new(), if from.is_empty() { name(node) } else { from });
                Ok(Value::Predicted)
            }
            "ArgMax" => {
                self.head(map, None, Vec::new(), if from.is_empty() { name(node) } else { from });
                Ok(Value::Behind)
            }
            "LinearClassifier" => self.linear_classifier(node, map),
            "LinearRegressor" => {
                let transform = text(node, "post_transform");
                if transform != "NONE" && !transform.is_empty() {
                    return Err(unsupported(node, format!("post_transform {transform}")));
                }
                self.head(&dense(node, map)?, Some(Link::Squared), Vec::new(), name(node));
                Ok(Value::Predicted)
            }
            _ => Err(ImportError::NotAffine { node: name(node), op: op.into() }),
        }
    }

    fn linear_classifier(&mut self, node: &NodeProto, map: &Affine) -> Result<Value, ImportError> {
        let transform = text(node, "post_transform");
        let link = match transform.as_str() {
            "SOFTMAX" => Some(Link::Softmax),
            "LOGISTIC" => Some(Link::Logistic),
            "NONE" | "" => None,
            _ => return Err(unsupported(node, format!("post_transform {transform}"))),
        };
        let labels = match attribute(node, "classlabels_ints") {
            Some(a) => a.ints.iter().map(ToString::to_string).collect(),
            None => attribute(node, "classlabels_strings")
                .map(|a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect())
                .unwrap_or_default(),
        };
        self.head(&dense(node, map)?, link, labels, name(node));
        Ok(Value::Predicted)
    }
}

/// `coefficients` `[outputs][inputs]` and `intercepts` of the `ai.onnx.ml` linear models.
fn dense(node: &NodeProto, map: &Affine) -> Result<Affine, ImportError> {
    let coefficients = floats(node, "coefficients");
    let outputs = coefficients.len() / map.outputs().max(1);
    let weight = Array2::from_shape_vec((outputs, map.outputs()), coefficients)
        .map_err(|e| unsupported(node, format!("coefficients do not divide into rows of {}: {e}", map.outputs())))?;
    let intercepts = broadcast(node, floats(node, "intercepts"), outputs, 0.0)?;
    Ok(map.then_matrix(&weight.reversed_axes()).then_shift(&intercepts))
}

/// "node `name`" or, for one without a name, what it makes.
fn name(node: &NodeProto) -> String {
    if node.name.is_empty() {
        format!("node {} -> `{}`", node.op_type, node.output.first().map_or("", String::as_str))
    } else {
        format!("node `{}`", node.name)
    }
}

fn unsupported(node: &NodeProto, reason: String) -> ImportError {
    ImportError::Unsupported { node: name(node), reason: format!("{reason} cannot be imported") }
}

fn attribute<'n>(node: &'n NodeProto, name: &str) -> Option<&'n AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).and_then(|a| a.i).unwrap_or(default)
}

fn float(node: &NodeProto, name: &str, default: f64) -> f64 {
    attribute(node, name).and_then(|a| a.f).map_or(default, f64::from)
}

fn floats(node: &NodeProto, name: &str) -> Vec<f64> {
    attribute(node, name).map(|a| a.floats.iter().copied().map(f64::from).collect()).unwrap_or_default()
}

fn text(node: &NodeProto, name: &str) -> String {
    let bytes = attribute(node, name).and_then(|a| a.s.clone()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn tensor(node: &NodeProto, inputs: &[Option<Value>], at: usize) -> Result<Rc<TensorProto>, ImportError> {
    match inputs.get(at) {
        Some(Some(Value::Constant(tensor))) => Ok(tensor.clone()),
        _ => Err(unsupported(node, format!("{} whose input {at} is no constant", node.op_type))),
    }
}

fn constant(node: &NodeProto, inputs: &[Option<Value>], at: usize) -> Result<Vec<f64>, ImportError> {
    let tensor = tensor(node, inputs, at)?;
    // one value per column: [n], [1, n] or a scalar, but not [n, 1], which would mean one per record
    if tensor.dims.iter().rev().skip(1).any(|d| *d != 1) {
        return Err(unsupported(node, format!("a constant of shape {:?}", tensor.dims)));
    }
    Ok(onnx::read_f64(&tensor)?)
}

/// One value per output: from that many, or from one for all, or `default` from none.
fn broadcast(node: &NodeProto, values: Vec<f64>, outputs: usize, default: f64) -> Result<Array1<f64>, ImportError> {
    match values.len() {
        n if n == outputs => Ok(Array1::from_vec(values)),
        1 => Ok(Array1::from_elem(outputs, values[0])),
        0 => Ok(Array1::from_elem(outputs, default)),
        n => Err(unsupported(node, format!("a constant of {n} values for {outputs} columns"))),
    }
}

/// A constant matrix with `rows` rows, after transposing if asked.
fn matrix(
    node: &NodeProto,
    inputs: &[Option<Value>],
    at: usize,
    transposed: bool,
    rows: usize,
) -> Result<Array2<f64>, ImportError> {
    let tensor = tensor(node, inputs, at)?;
    let values = onnx::read_f64(&tensor)?;
    let shape = match tensor.dims[..] {
        [a, b] if a > 0 && b > 0 => (a as usize, b as usize),
        _ => return Err(unsupported(node, format!("a weight of shape {:?}", tensor.dims))),
    };
    let stored = Array2::from_shape_vec(shape, values).map_err(|e| unsupported(node, e.to_string()))?;
    let matrix = if transposed { stored.reversed_axes() } else { stored };
    if matrix.nrows() == rows {
        Ok(matrix)
    } else {
        Err(unsupported(node, format!("a weight for {} columns after {rows}", matrix.nrows())))
    }
}
