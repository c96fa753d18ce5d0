//! Hygiene: surroundings that shadow names the expansion might rely on.

use crate::support::run;

mod shadowed_prelude {
    #![allow(dead_code, unused_imports)]
    use otas::otas_session;

    mod user {
        pub enum Z {
            Ok,
            Err,
            Some,
            None,
        }
        pub struct Result;
        pub struct Option;
        pub struct Box;
        pub struct String;
        pub struct Vec;
        pub trait Future {}
        pub trait FnOnce {}
        pub trait From {}
        pub trait Into {}
        pub trait Send {}
    }
    use user::Z::*;
    use user::*;

    #[otas_session(meta = { "a": 1, "nested": { "b": [1, null] } })]
    pub async fn body() -> bool {
        crate::support::in_session()
    }

    #[otas_session(on_error = fail)]
    pub async fn fails() -> ::core::result::Result<bool, ::otas::Error> {
        ::core::result::Result::Ok(crate::support::in_session())
    }
}

mod shadowed_crates {
    #![allow(dead_code)]
    use ::otas::otas_session;

    mod std {}
    mod core {}
    mod alloc {}
    mod otas {}
    mod serde {}
    mod tokio {}

    #[otas_session(meta = { "a": 1, key() : 2 })]
    pub async fn body() -> bool {
        crate::support::in_session()
    }

    fn key() -> &'static str {
        "b"
    }
}

mod without_prelude {
    #![no_implicit_prelude]

    #[::otas::otas_session(meta = { x, "list": [x, { "a": null }] })]
    pub async fn body(x: u8) -> bool {
        x == 1 && crate::support::in_session()
    }

    #[::otas::otas_session(on_error = fail)]
    pub async fn fails() -> ::std::result::Result<bool, ::otas::Error> {
        ::std::result::Result::Ok(crate::support::in_session())
    }
}

mod shadowed_macros {
    #![allow(unused_macros)]
    use otas::otas_session;

    macro_rules! module_path {
        ($($any:tt)*) => {
            compile_error!("shadowed")
        };
    }
    macro_rules! concat {
        ($($any:tt)*) => {
            compile_error!("shadowed")
        };
    }
    macro_rules! format {
        ($($any:tt)*) => {
            compile_error!("shadowed")
        };
    }
    macro_rules! vec {
        ($($any:tt)*) => {
            compile_error!("shadowed")
        };
    }
    macro_rules! stringify {
        ($($any:tt)*) => {
            compile_error!("shadowed")
        };
    }

    #[otas_session(meta = { "a": [1, 2], "b": { "c": null } })]
    pub async fn body() -> bool {
        crate::support::in_session()
    }
}

mod renamed {
    pub mod deep {
        pub use ::otas as observability;
    }

    #[deep::observability::otas_session(crate = self::deep::observability, meta = { "a": 1 })]
    pub async fn by_path() -> bool {
        crate::support::in_session()
    }

    #[deep::observability::otas_session(on_error = fail, crate = deep::observability)]
    pub async fn with_a_handler() -> Result<bool, deep::observability::Error> {
        Ok(crate::support::in_session())
    }
}

#[tokio::test]
async fn a_shadowed_or_missing_prelude_is_harmless() {
    assert!(run(shadowed_prelude::body()).await);
    assert!(run(shadowed_prelude::fails()).await.is_ok_and(|seen| seen));
    assert!(run(without_prelude::body(1)).await);
    assert!(run(without_prelude::fails()).await.is_ok_and(|seen| seen));
}

#[tokio::test]
async fn modules_named_like_crates_are_harmless() {
    assert!(run(shadowed_crates::body()).await);
}

#[tokio::test]
async fn shadowed_standard_macros_are_harmless() {
    assert!(run(shadowed_macros::body()).await);
}

#[tokio::test]
async fn a_renamed_crate_can_be_named_by_the_crate_argument() {
    assert!(run(renamed::by_path()).await);
    assert!(run(renamed::with_a_handler()).await.is_ok_and(|seen| seen));
}
