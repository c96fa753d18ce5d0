//! Which names of headers, query parameters and JSON keys carry a secret: the one table.

use super::prefixes::{Begins, places};

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
#[rustfmt::skip]
const WHOLE: &[&str] = &[
    "accesstokens", "apitokens", "aspnetsessionid", "aspsessionid", "auth", "authentication", "authtokens", "bearer",
    "card", "cert", "certificate", "clientcertificate", "connectsid", "consumerid", "consumerkey", "credential",
    "credit", "creds", "crypt", "csrf", "cvc", "cvv", "dsn", "jsessionid", "jwt", "magiclink", "mfacode", "oauth",
    "otp", "otpcode", "pass", "passw", "pem", "pfx", "phpsessid", "pin", "pincode", "pkcs12", "pswd", "pw", "pwd",
    "refreshtokens", "salt", "sas", "sessid", "session", "sessioncookie", "sessionid", "sid", "ssn", "totp", "xsrf",
];

/// Secret as the whole name of a header: what carries credentials or tells of a person behind a proxy's authentication.
#[rustfmt::skip]
const HEADERS: &[&str] = &[
    "authenticationinfo", "clientcert", "dpop", "proxyauthenticate", "proxyauthenticationinfo", "setcookie",
    "setcookie2", "sslclientcert", "wwwauthenticate", "xamzcredential", "xauth", "xclientcert",
    "xforwardedclientcert", "xgoogiamauthorizationtoken", "xmsclientprincipal", "xsession", "xsslclientcert",
];

/// Secret as the whole name of a query parameter or a form field: the ways of signed URLs and of OAuth.
#[rustfmt::skip]
const QUERY: &[&str] = &[
    "assertion", "awsaccesskeyid", "clientassertion", "code", "codeverifier", "googleaccessid", "hdnea", "hmac",
    "key", "keypairid", "nonce", "policy", "samlrequest", "samlresponse", "sig", "sign", "sign2", "state", "ticket",
    "xamzcredential", "xgoogcredential",
];

/// Secret wherever a name holds it.
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

/// End like a secret, and are none: ways to page, to sort, to store, and to count words.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "bostoken", "cachekey", "continuationtoken", "eostoken", "foreignkey", "groupkey", "haskey", "i18nkey",
    "idempotencykey", "issuekey", "metakey", "nextpagetoken", "nextsynctoken", "nexttoken", "objectkey", "orderkey",
    "padtoken", "pagetoken", "partitionkey", "primarykey", "projectkey", "promptcachekey", "publickey", "routingkey",
    "shardkey", "sortkey", "stoptoken", "synctoken", "translationkey", "unktoken",
];

/// Whether a value with this name is a secret.
pub(crate) fn is_secret(name: &str, place: Place) -> bool {
    // On the stack, if it can be: this is asked for every key of every body.
    let mut buffer = [0; USUAL];
    match normal_in(name, &mut buffer) {
        Some(length) => is_secret_plain(&buffer[..length], name, place),
        None => is_secret_plain(normal(name).as_bytes(), name, place),
    }
}

fn is_secret_plain(plain: &[u8], name: &str, place: Place) -> bool {
    let here = match place {
        Place::Header => HEADERS_LENGTHS.may_hold(plain) && is_in(HEADERS, plain),
        Place::Query => QUERY_LENGTHS.may_hold(plain) && is_in(QUERY, plain),
        Place::Key => false,
    };
    here || (WHOLE_LENGTHS.may_hold(plain) && is_in(WHOLE, plain))
        || ((has_part(plain) || plain.ends_with(b"token") || ends_in_key(name)) && !is_in(HARMLESS, plain))
}

fn is_in(names: &[&str], plain: &[u8]) -> bool {
    names.binary_search_by(|other| other.as_bytes().cmp(plain)).is_ok()
}

/// For each first byte, a bit for each length that a name with it has: most names are none of a list's by this alone.
struct Lengths([u32; 256]);

static WHOLE_LENGTHS: Lengths = Lengths::of(WHOLE);
static HEADERS_LENGTHS: Lengths = Lengths::of(HEADERS);
static QUERY_LENGTHS: Lengths = Lengths::of(QUERY);

impl Lengths {
    const fn of(names: &[&str]) -> Self {
        let mut table = [0; 256];
        let mut at = 0;
        while at < names.len() {
            let name = names[at].as_bytes();
            table[name[0] as usize] |= 1 << name.len();
            at += 1;
        }
        Self(table)
    }

    fn may_hold(&self, name: &[u8]) -> bool {
        name.first().is_some_and(|first| name.len() < 32 && self.0[usize::from(*first)] >> name.len() & 1 == 1)
    }
}

/// Few names are longer, in bytes.
const USUAL: usize = 64;

/// How long the name is in the form in which names are compared; none if the buffer is too short.
fn normal_in(name: &str, buffer: &mut [u8; USUAL]) -> Option<usize> {
    let mut length = 0;
    for byte in name.bytes() {
        let plain = NORMAL[usize::from(byte)];
        *buffer.get_mut(length)? = plain;
        length += usize::from(plain != IGNORED);
    }
    Some(length)
}

/// Stands for a byte that is left out of a name; no text holds it.
const IGNORED: u8 = 0xff;

/// What each byte is in a name as it is compared.
static NORMAL: [u8; 256] = {
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

fn has_part(plain: &[u8]) -> bool {
    let begins = |(at, three): (usize, &[u8])| {
        places(PART_BEGINS.at(three))
            .filter_map(|place| PARTS.get(place))
            .any(|part| plain[at..].starts_with(part.as_bytes()))
    };
    plain.windows(3).enumerate().any(begins)
}

static PART_BEGINS: Begins = Begins::of(PARTS);

const fn is_ignored(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.' | b' ')
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
    name.chars().filter(|c| !c.is_ascii() || !is_ignored(*c as u8)).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of the documentation that tells these lists.
    fn table() -> String {
        let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!(
            "| where | names |\n| --- | --- |\n| anywhere, as the whole name | {} |\n| anywhere, as a part of a name | {} |\n\
             | anywhere, at the end | `token`; `key` after another word (`storage_key`, `signingKey`) |\n\
             | header | {} |\n| query or form | {} |\n| none of these, in spite of its end | {} |\n",
            list(WHOLE),
            list(PARTS),
            list(HEADERS),
            list(QUERY),
            list(HARMLESS),
        )
    }

    #[test]
    fn the_lists_are_sorted_for_the_search() {
        assert!([WHOLE, HEADERS, QUERY, PARTS, HARMLESS].iter().all(|names| names.is_sorted()));
    }

    #[test]
    fn the_table_in_the_documentation_is_the_one_in_the_code() {
        assert!(include_str!("names.md").ends_with(&table()), "put this at the end of names.md:\n{}", table());
    }

    #[test]
    fn what_is_looked_at_first_passes_over_no_name() {
        let lists = [(WHOLE, &WHOLE_LENGTHS), (HEADERS, &HEADERS_LENGTHS), (QUERY, &QUERY_LENGTHS)];
        for (names, lengths) in lists {
            assert!(names.iter().all(|name| lengths.may_hold(name.as_bytes())));
        }
        let letters = ["s", "e", "c", "r", "t", "k", "y", "cook", "ie", "pass", "wd", "_"];
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let start = PARTS[random.usize(0..PARTS.len())];
            let mut name: String = (0..random.usize(0..8)).map(|_| letters[random.usize(0..letters.len())]).collect();
            name.insert_str(name.len() / 2, &start[..random.usize(0..=start.len())]);
            assert_eq!(has_part(name.as_bytes()), PARTS.iter().any(|part| name.contains(part)), "{name}");
        }
    }

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
