//! rmcp, whose `#[tool]` turns the method into one that returns a boxed future.

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
    /// The attribute below `#[tool]`.
    #[tool]
    #[otas_session(meta = { text })]
    async fn below(&self, Parameters(Question { text }): Parameters<Question>) -> String {
        drop(text);
        support::session_id()
    }

    /// The attribute above `#[tool]`.
    #[otas_session]
    #[tool]
    async fn above(&self, Parameters(Question { text }): Parameters<Question>) -> String {
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
    let (client_end, server_end) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let server = Tools { tool_router: Tools::tool_router() }.serve(server_end).await.expect("a server");
        server.waiting().await
    });
    let client = ().serve(client_end).await.expect("a client");

    for name in ["above", "below"] {
        let arguments = serde_json::json!({ "text": "x" }).as_object().cloned().unwrap_or_default();
        let call = CallToolRequestParams::new(name).with_arguments(arguments);
        let result = client.call_tool(call).await.expect("a result");
        let text =
            serde_json::to_value(&result).expect("JSON")["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(support::was_opened(&text), "{name}: {result:?}");
    }
}
