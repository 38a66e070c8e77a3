//! leadline-analytics
