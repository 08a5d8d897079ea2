//! The statements: what each proves, why, and what it does not check. Each has the same form.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | the statement, and the witness that is proven |
//! | `gates` | columns, gates, fixed values |
//! | `witness` | the values of the columns, phase by phase |

pub mod dataset;
pub mod evaluation;
pub mod gradient;
pub mod optimum;
pub mod service;
