//! Which names of headers, query parameters and JSON keys carry a secret: the one table.

/// Where a name stands; a few words are secret only there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A header line.
    Header,
    /// A query parameter or a form field.
    Query,
    /// A key of JSON, YAML or XML.
    Key,
}

/// Secret as the whole name, anywhere. Names are compared in lower case, without `-`, `_`, `.` and spaces.
const WHOLE: &[&str] = &[
    "auth",
    "apitokens",
    "accesstokens",
    "authtokens",
    "refreshtokens",
    "bearer",
    "cert",
    "credential",
    "creds",
    "csrf",
    "cvc",
    "cvv",
    "dsn",
    "jwt",
    "oauth",
    "otp",
    "pass",
    "passw",
    "pem",
    "pfx",
    "pin",
    "pincode",
    "pkcs12",
    "pswd",
    "pw",
    "pwd",
    "salt",
    "sas",
    "sessid",
    "session",
    "sessionid",
    "sid",
    "ssn",
    "totp",
    "xsrf",
    "mfacode",
    "otpcode",
    "phpsessid",
    "jsessionid",
    "aspsessionid",
    "aspnetsessionid",
    "connectsid",
    "sessioncookie",
    "magiclink",
];

/// Secret as the whole name of a header: what carries credentials or tells of a person behind a proxy's authentication.
const HEADERS: &[&str] = &[
    "wwwauthenticate",
    "proxyauthenticate",
    "authenticationinfo",
    "proxyauthenticationinfo",
    "setcookie",
    "setcookie2",
    "xauth",
    "xsession",
    "xamzcredential",
    "dpop",
    "xclientcert",
    "sslclientcert",
    "xforwardedclientcert",
    "xsslclientcert",
    "clientcert",
    "xmsclientprincipal",
    "xgoogiamauthorizationtoken",
];

/// Secret as the whole name of a query parameter or a form field: the ways of signed URLs and of OAuth.
const QUERY: &[&str] = &[
    "key",
    "sig",
    "sign",
    "sign2",
    "code",
    "codeverifier",
    "assertion",
    "clientassertion",
    "samlresponse",
    "samlrequest",
    "state",
    "nonce",
    "ticket",
    "awsaccesskeyid",
    "xamzcredential",
    "xgoogcredential",
    "googleaccessid",
    "policy",
    "keypairid",
    "hdnea",
    "hmac",
];

/// Secret wherever a name holds it.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passwrd",
    "passphrase",
    "passcode",
    "secret",
    "credential",
    "authorization",
    "authtoken",
    "accesstoken",
    "apitoken",
    "refreshtoken",
    "sessiontoken",
    "securitytoken",
    "idtoken",
    "bearertoken",
    "csrftoken",
    "apikey",
    "accesskey",
    "privatekey",
    "privkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "sharedkey",
    "accountkey",
    "subscriptionkey",
    "functionskey",
    "sshkey",
    "pgpkey",
    "rsakey",
    "hmackey",
    "licensekey",
    "servicekey",
    "deploykey",
    "cookie",
    "csrf",
    "xsrf",
    "signature",
    "creditcard",
    "cardnumber",
    "cardcvc",
    "securitycode",
    "connectionstring",
    "connstring",
    "mysqlpwd",
    "kubeconfig",
    "keystore",
    "principal",
    "onetimecode",
    "recoverycode",
    "backupcode",
    "mnemonic",
    "seedphrase",
];

/// End like a secret, and are none: ways to page, to sort, to store, and to count words.
const HARMLESS: &[&str] = &[
    "pagetoken",
    "nextpagetoken",
    "nexttoken",
    "continuationtoken",
    "synctoken",
    "nextsynctoken",
    "stoptoken",
    "eostoken",
    "bostoken",
    "padtoken",
    "unktoken",
    "primarykey",
    "foreignkey",
    "publickey",
    "sortkey",
    "partitionkey",
    "cachekey",
    "promptcachekey",
    "idempotencykey",
    "objectkey",
    "issuekey",
    "projectkey",
    "orderkey",
    "groupkey",
    "haskey",
    "routingkey",
    "shardkey",
    "metakey",
    "translationkey",
    "i18nkey",
];

/// Whether a value with this name is a secret.
pub(crate) fn is_secret(name: &str, place: Place) -> bool {
    let plain = normal(name);
    let whole = match place {
        Place::Header => HEADERS,
        Place::Query => QUERY,
        Place::Key => &[],
    };
    if WHOLE.contains(&plain.as_str()) || whole.contains(&plain.as_str()) {
        return true;
    }
    if HARMLESS.contains(&plain.as_str()) {
        return false;
    }
    PARTS.iter().any(|part| plain.contains(part)) || plain.ends_with("token") || ends_in_key(name)
}

/// Whether the last of several words is `key`: `x-goog-key`, `primary_key`, `signingKey`, but neither `key` nor `monkey`.
fn ends_in_key(name: &str) -> bool {
    let Some(start) = name.len().checked_sub(3).filter(|&start| start > 0 && name.is_char_boundary(start)) else {
        return false;
    };
    let (before, last) = name.split_at(start);
    last.eq_ignore_ascii_case("key")
        && (before.ends_with(['-', '_', '.'])
            || (last.starts_with('K') && before.ends_with(|c: char| c.is_ascii_lowercase())))
}

/// A name as it is compared: lower case, without `-`, `_`, `.` and spaces.
pub(crate) fn normal(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' ')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_in_every_spelling() {
        for name in [
            "password",
            "Pass_Word",
            "DB-PASSWORD",
            "userPassword",
            "api_key",
            "X-Api-Key",
            "apiKey",
            "APIKEY",
            "client_secret",
            "access_token",
            "accessToken",
            "id-token",
            "token",
            "x_csrftoken",
            "stripe_signature",
            "storage_key",
            "signingKey",
            "private_key",
            "AWS_SECRET_ACCESS_KEY",
            "credentials",
            "set-cookie",
            "Cookie",
            "connectionString",
            "JSESSIONID",
        ] {
            assert!(is_secret(name, Place::Key), "{name}");
        }
    }

    #[test]
    fn counts_of_words_and_pages_are_no_secrets() {
        for name in [
            "max_tokens",
            "prompt_tokens",
            "completion_tokens_details",
            "totalTokenCount",
            "token_type",
            "tokenizer",
            "tokens",
            "next_page_token",
            "key",
            "monkey",
            "idempotency_key",
            "prompt_cache_key",
            "keywords",
            "model",
            "author",
            "passenger",
            "content",
            "session_count",
            "code",
            "state",
        ] {
            assert!(!is_secret(name, Place::Key), "{name}");
        }
    }

    #[test]
    fn some_names_are_secret_only_where_they_stand() {
        assert!(
            is_secret("key", Place::Query)
                && is_secret("X-Amz-Signature", Place::Query)
                && is_secret("sig", Place::Query)
        );
        assert!(is_secret("code", Place::Query) && !is_secret("code", Place::Key));
        assert!(is_secret("WWW-Authenticate", Place::Header) && is_secret("Proxy-Authorization", Place::Header));
    }
}
