//! rmcp: `#[tool]` makes a boxed future of the function.

use otas::otas_session;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};

use crate::support;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Question {
    text: String,
}

#[derive(Clone)]
struct Tools {
    tool_router: ToolRouter<Self>,
}

#[tool_router(router = tool_router)]
impl Tools {
    /// Above the session.
    #[tool]
    #[otas_session(meta = { text })]
    async fn above(&self, Parameters(Question { text }): Parameters<Question>) -> String {
        drop(text);
        support::session_id()
    }

    /// Below the session.
    #[otas_session]
    #[tool]
    async fn below(&self, Parameters(Question { text }): Parameters<Question>) -> String {
        drop(text);
        support::session_id()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

#[tokio::test]
async fn a_tool_sees_its_session() {
    support::start();
    let (ours, theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let server = Tools { tool_router: Tools::tool_router() }.serve(theirs).await.expect("a server");
        server.waiting().await
    });
    let client = ().serve(ours).await.expect("a client");

    for name in ["above", "below"] {
        let arguments = serde_json::json!({ "text": "x" }).as_object().cloned().unwrap_or_default();
        let call = CallToolRequestParams::new(name).with_arguments(arguments);
        let answer = client.call_tool(call).await.expect("an answer");
        let text =
            serde_json::to_value(&answer).expect("JSON")["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(support::opened(&text), "{name}: {answer:?}");
    }
}
