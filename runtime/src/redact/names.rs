//! The names of headers, query parameters and JSON keys whose values are secret.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// The place of a name; some names are secret in one place only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Header,
    /// A query parameter or a form field.
    Query,
    /// A key of JSON, YAML or XML.
    Key,
}

/// Secret anywhere, as the whole name. These and all other names here are [`normalized`].
#[rustfmt::skip]
const WHOLE: &[&str] = &[
    "accesstokens", "apitokens", "aspnetsessionid", "aspsessionid", "auth", "authentication", "authtokens", "bearer",
    "card", "cert", "certificate", "clientcertificate", "connectsid", "consumerid", "consumerkey", "credential",
    "credit", "creds", "crypt", "csrf", "cvc", "cvv", "dsn", "jsessionid", "jwt", "magiclink", "mfacode", "oauth",
    "otp", "otpcode", "pass", "passw", "pem", "pfx", "phpsessid", "pin", "pincode", "pkcs12", "pswd", "pw", "pwd",
    "refreshtokens", "salt", "sas", "sessid", "session", "sessioncookie", "sessionid", "sid", "ssn", "totp", "xsrf",
];

/// Secret as the whole name of a header: credentials, and users identified by an authenticating
/// proxy.
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "authenticationinfo", "clientcert", "dpop", "proxyauthenticate", "proxyauthenticationinfo", "setcookie",
    "setcookie2", "sslclientcert", "wwwauthenticate", "xamzcredential", "xauth", "xclientcert",
    "xforwardedclientcert", "xgoogiamauthorizationtoken", "xmsclientprincipal", "xsession", "xsslclientcert",
];

/// Secret as the whole name of a query parameter or form field, as in signed URLs and OAuth.
#[rustfmt::skip]
const QUERY: &[&str] = &[
    "assertion", "awsaccesskeyid", "clientassertion", "code", "codeverifier", "googleaccessid", "hdnea", "hmac",
    "key", "keypairid", "nonce", "policy", "samlrequest", "samlresponse", "sig", "sign", "sign2", "state", "ticket",
    "xamzcredential", "xgoogcredential",
];

/// Secret anywhere, as a part of a name.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "accesskey", "accesstoken", "accountkey", "apikey", "apitoken", "authorization", "authtoken", "backupcode",
    "bearertoken", "cardcvc", "cardnumber", "connectionstring", "connstring", "cookie", "credential", "creditcard",
    "csrf", "csrftoken", "deploykey", "encryptionkey", "functionskey", "hmackey", "idtoken", "keystore",
    "kubeconfig", "licensekey", "masterkey", "mnemonic", "mysqlpwd", "onetimecode", "passcode", "passphrase",
    "passwd", "password", "passwrd", "pgpkey", "principal", "privatekey", "privkey", "recoverycode", "refreshtoken",
    "rsakey", "secret", "securitycode", "securitytoken", "seedphrase", "servicekey", "sessiontoken", "sharedkey",
    "signature", "signingkey", "sshkey", "subscriptionkey", "xsrf",
];

/// Not secret, despite the ending: names from paging, sorting, storage and tokenizers.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "bostoken", "cachekey", "continuationtoken", "eostoken", "foreignkey", "groupkey", "haskey", "i18nkey",
    "idempotencykey", "issuekey", "metakey", "nextpagetoken", "nextsynctoken", "nexttoken", "objectkey", "orderkey",
    "padtoken", "pagetoken", "partitionkey", "primarykey", "projectkey", "promptcachekey", "publickey", "routingkey",
    "shardkey", "sortkey", "stoptoken", "synctoken", "translationkey", "unktoken",
];

/// Whether a value with this name is secret.
pub(crate) fn is_secret(name: &str, place: Place) -> bool {
    // Normalized on the stack if possible, because this is called for every key of every body.
    let mut buffer = [0; STACK_BYTES];
    match normalize_into(name, &mut buffer) {
        Some(length) => is_secret_normalized(&buffer[..length], name, place),
        None => is_secret_normalized(normalized(name).as_bytes(), name, place),
    }
}

fn is_secret_normalized(normalized: &[u8], name: &str, place: Place) -> bool {
    let is_secret_here = match place {
        Place::Header => HEADERS_LENGTHS.may_contain(normalized) && contains(HEADERS, normalized),
        Place::Query => QUERY_LENGTHS.may_contain(normalized) && contains(QUERY, normalized),
        Place::Key => false,
    };
    is_secret_here
        || (WHOLE_LENGTHS.may_contain(normalized) && contains(WHOLE, normalized))
        || ((PARTS_SEARCH.is_match(normalized) || normalized.ends_with(b"token") || ends_in_key(name))
            && !contains(HARMLESS, normalized))
}

fn contains(names: &[&str], normalized: &[u8]) -> bool {
    names.binary_search_by(|other| other.as_bytes().cmp(normalized)).is_ok()
}

static PARTS_SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "fails only for more or longer words than fit into memory")]
    AhoCorasick::new(PARTS).expect("a short list of short words")
});

/// For each first byte, a bit set of the lengths of the names that begin with it. This alone rules
/// out most names, without a binary search.
struct Lengths([u32; 256]);

static WHOLE_LENGTHS: Lengths = Lengths::of(WHOLE);
static HEADERS_LENGTHS: Lengths = Lengths::of(HEADERS);
static QUERY_LENGTHS: Lengths = Lengths::of(QUERY);

impl Lengths {
    const fn of(names: &[&str]) -> Self {
        let mut table = [0; 256];
        let mut index = 0;
        while index < names.len() {
            let name = names[index].as_bytes();
            table[name[0] as usize] |= 1 << name.len();
            index += 1;
        }
        Self(table)
    }

    fn may_contain(&self, name: &[u8]) -> bool {
        name.first().is_some_and(|first| name.len() < 32 && self.0[usize::from(*first)] >> name.len() & 1 == 1)
    }
}

/// Whether the last of several words is `key`: `x-goog-key`, `primary_key`, `signingKey`, but
/// neither `key` nor `monkey`.
fn ends_in_key(name: &str) -> bool {
    let Some(start) = name.len().checked_sub(3).filter(|&start| start > 0 && name.is_char_boundary(start)) else {
        return false;
    };
    let (before, last) = name.split_at(start);
    last.eq_ignore_ascii_case("key")
        && (before.ends_with(['-', '_', '.'])
            || (last.starts_with('K') && before.ends_with(|c: char| c.is_ascii_lowercase())))
}

/// A name in the form in which names are compared: lowercase, without `-`, `_`, `.` and spaces.
pub(crate) fn normalized(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii() || !is_ignored(*c as u8)).map(|c| c.to_ascii_lowercase()).collect()
}

/// Longer names, which are rare, are normalized on the heap.
const STACK_BYTES: usize = 64;

/// Like [`normalized`]; returns the length, or `None` if the buffer is too short.
fn normalize_into(name: &str, buffer: &mut [u8; STACK_BYTES]) -> Option<usize> {
    let mut length = 0;
    for byte in name.bytes() {
        let normalized = NORMALIZED[usize::from(byte)];
        *buffer.get_mut(length)? = normalized;
        length += usize::from(normalized != IGNORED);
    }
    Some(length)
}

/// Marks a byte to be left out of a name; it never occurs in UTF-8.
const IGNORED: u8 = 0xff;

/// What each byte is normalized to.
static NORMALIZED: [u8; 256] = {
    let mut table = [IGNORED; 256];
    let mut byte = 0;
    while byte < 255 {
        if !is_ignored(byte) {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

const fn is_ignored(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table at the end of `names.md`, as it follows from the lists.
    fn table() -> String {
        let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!(
            "| Where | Names |\n| --- | --- |\n| anywhere, as the whole name | {} |\n| anywhere, as a part of a name | {} |\n\
             | anywhere, at the end | `token`; `key` after another word (`storage_key`, `signingKey`) |\n\
             | header | {} |\n| query or form | {} |\n| never, despite the ending | {} |\n",
            list(WHOLE),
            list(PARTS),
            list(HEADERS),
            list(QUERY),
            list(HARMLESS),
        )
    }

    #[test]
    fn lists_are_sorted_for_binary_search() {
        assert!([WHOLE, HEADERS, QUERY, PARTS, HARMLESS].iter().all(|names| names.is_sorted()));
    }

    #[test]
    fn the_documented_table_matches_the_code() {
        assert!(include_str!("names.md").ends_with(&table()), "names.md must end with:\n{}", table());
    }

    #[test]
    fn lengths_rule_out_no_name_of_their_list() {
        for (names, lengths) in [(WHOLE, &WHOLE_LENGTHS), (HEADERS, &HEADERS_LENGTHS), (QUERY, &QUERY_LENGTHS)] {
            assert!(names.iter().all(|name| lengths.may_contain(name.as_bytes())));
        }
    }

    #[test]
    fn every_part_is_found_inside_a_name() {
        for part in PARTS {
            assert!(is_secret(&format!("x_{part}_y"), Place::Key), "{part}");
        }
    }

    #[test]
    fn secret_names_are_recognised_in_any_spelling() {
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
    fn token_counts_and_page_tokens_are_not_secret() {
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
    fn some_names_are_secret_in_one_place_only() {
        assert!(
            is_secret("key", Place::Query)
                && is_secret("X-Amz-Signature", Place::Query)
                && is_secret("sig", Place::Query)
        );
        assert!(is_secret("code", Place::Query) && !is_secret("code", Place::Key));
        assert!(is_secret("WWW-Authenticate", Place::Header) && is_secret("Proxy-Authorization", Place::Header));
    }
}
