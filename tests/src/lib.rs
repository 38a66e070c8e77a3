//! leadline-tests
