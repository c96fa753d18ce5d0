use otas::otas_session;

struct Question(String);

impl Question {
    fn into_text(self) -> String {
        self.0
    }
}

#[otas_session(meta = { "question": question.into_text() })]
async fn f(question: Question) -> Question {
    question
}

fn main() {}
