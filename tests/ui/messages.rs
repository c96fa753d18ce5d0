//! The texts for mistakes: one file each, named by the mistake. `TRYBUILD=overwrite` renews them.

#[test]
fn each_mistake_gets_one_message_that_says_what_to_write() {
    if super::on_our_toolchain() {
        trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
    }
}
