//! leadline-runtime
