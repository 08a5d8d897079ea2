//! A record's numbers fill the input of an extractor as the model declares it.

use tribute_inference::extract::Extractor;
use tribute_inference::onnx::DataType;
use tribute_inference::runtime::RuntimeError;

use crate::common;
use crate::graphs::Graph;

fn extractor(graph: Graph) -> Extractor {
    Extractor::new(common::runtime(), &graph.output("z", DataType::Float, 2).model(), None).unwrap()
}

/// A model of numbers of this shape, whose features are those that are not negative.
fn positive(dims: &[i64]) -> Extractor {
    extractor(Graph::default().input("x", DataType::Float, dims).node("Relu", &["x"], &["v"]).node(
        "Flatten",
        &["v"],
        &["z"],
    ))
}

#[test]
fn a_row_becomes_an_image() {
    let image = Graph::default()
        .input("x", DataType::Float, &[-1, 1, 2, 2])
        .floats("w", &[2, 1, 2, 2], &[1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5])
        .node("Conv", &["x", "w"], &["c"])
        .node("Flatten", &["c"], &["z"]);
    let image = extractor(image);
    assert_eq!(image.record(&[1.0, 2.0, 3.0, 4.0]).unwrap(), [1.0, 5.0]);
    for values in [&[1.0; 3][..], &[1.0; 5], &[1.0; 8], &[]] {
        let e = image.record(values).unwrap_err();
        assert!(matches!(e, RuntimeError::Shape { got, .. } if got == values.len()), "{e}");
        assert!(e.to_string().contains("[batch, 1, 2, 2]"), "{e}");
    }
}

#[test]
fn what_cannot_be_an_extractor_is_refused_when_it_is_loaded() {
    let new = |graph: Graph| Extractor::new(common::runtime(), &graph.model(), None);
    let of = |element, dims: &[i64]| {
        Graph::default().input("x", element, dims).node("Identity", &["x"], &["z"]).output("z", element, 2)
    };
    let ids = Graph::default().input("x", DataType::Float, &[-1, 2]).with("ArgMax", &["x"], &["z"], vec![]);
    for (graph, part) in [
        (of(DataType::Int64, &[-1, 2]), "the input `x` of an extractor is of float32"),
        (of(DataType::Double, &[-1, 2]), "the input `x` of an extractor is of float32"),
        (ids.output("z", DataType::Int64, 2), "the output `z` of an extractor is of float32"),
        (of(DataType::Float, &[2, 2]), "this model takes 2 at once"),
    ] {
        let e = new(graph).unwrap_err();
        assert!(matches!(e, RuntimeError::NoExtractor(_)) && e.to_string().contains(part), "{e}");
    }
    let noisy = Graph::default().input("x", DataType::Float, &[-1, 2]).node("RandomNormalLike", &["x"], &["z"]);
    assert!(matches!(new(noisy.output("z", DataType::Float, 2)), Err(RuntimeError::Unsteady(_))));
}

#[test]
fn a_feature_that_is_no_number_is_refused() {
    let log = extractor(Graph::default().input("x", DataType::Float, &[-1, 2]).node("Log", &["x"], &["z"]));
    assert!(log.record(&[1.0, 2.0]).is_ok());
    for value in [0.0, -1.0] {
        let e = log.record(&[1.0, value]).unwrap_err();
        assert!(matches!(e, RuntimeError::NotFinite { index: 1, .. }) && e.to_string().contains("feature e1"), "{e}");
    }
}

#[test]
fn one_size_may_be_unknown() {
    let values = [1.0, -2.0, 3.0, 4.0];
    for dims in [&[-1, 4][..], &[-1, -1], &[1, 4], &[-1, 2, -1], &[-1, -1, 2, 2]] {
        assert_eq!(positive(dims).record(&values).unwrap(), [1.0, 0.0, 3.0, 4.0], "{dims:?}");
    }
    for (dims, wanted) in
        [(&[-1, -1, -1][..], "[batch, ?, ?]"), (&[-1, 3, -1][..], "[batch, 3, ?]"), (&[-1, 5][..], "[batch, 5]")]
    {
        let e = positive(dims).record(&values).unwrap_err();
        assert!(matches!(e, RuntimeError::Shape { got: 4, .. }) && e.to_string().contains(wanted), "{e}");
    }
}
