//! A local OTAS (UASAM and Brain) in this process.
