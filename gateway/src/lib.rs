//! leadline-gateway
