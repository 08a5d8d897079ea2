//! Every backend gives what the library gives.

mod fft;
mod slices;
mod sums;
mod support;
