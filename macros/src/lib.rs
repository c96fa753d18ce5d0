//! The attribute `#[otas_session]`.
