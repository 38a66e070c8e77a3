//! Turns figures and rows into files.
