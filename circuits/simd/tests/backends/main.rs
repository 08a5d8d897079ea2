//! Every backend must agree with the library.

mod fft;
mod slices;
mod sums;
mod support;
