//! The statements: what each proves, why, and what it does not check. All have the same structure.
//!
//! | file | contents |
//! |---|---|
//! | `mod` | the statement, and the circuit with its witness |
//! | `gates` | columns, gates, fixed values |
//! | `witness` | the values of the columns, phase by phase |

pub mod dataset;
pub mod evaluation;
pub mod gradient;
pub mod optimum;
pub mod service;
