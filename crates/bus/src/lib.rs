//! leadline-bus
