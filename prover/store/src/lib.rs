//! Storage of the service: rows in a [`db::Database`], immutable bytes in [`artefacts::Artefacts`], secrets in private
//! [`files`].

pub mod artefacts;
pub mod db;
pub mod files;
