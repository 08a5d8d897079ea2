//! Tables as people write them, read by every reader.

mod cases;
mod columnar;
mod doubts;
mod kinds;
mod pinned;
mod properties;
mod raw;
