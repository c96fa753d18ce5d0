use otas::otas_session;

trait T {
    #[otas_session]
    async fn f(&self);
}

struct S;

impl T for S {
    async fn f(&self) {}
}

fn main() {}
