//! The clouds that Microsoft Graph stands in: each has a Graph and a login of its own, and tokens of one are nothing in another.

/// A national cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cloud {
    /// Its name in a configuration.
    name: &'static str,
    /// The root of its Graph.
    pub(super) graph: &'static str,
    /// The root of its login.
    pub(super) login: &'static str,
}

/// All clouds; the first is meant when none is named.
const CLOUDS: &[Cloud] = &[
    Cloud { name: "global", graph: "https://graph.microsoft.com", login: "https://login.microsoftonline.com" },
    Cloud { name: "usgov", graph: "https://graph.microsoft.us", login: "https://login.microsoftonline.us" },
    Cloud { name: "usgov-dod", graph: "https://dod-graph.microsoft.us", login: "https://login.microsoftonline.us" },
    Cloud {
        name: "china",
        graph: "https://microsoftgraph.chinacloudapi.cn",
        login: "https://login.partner.microsoftonline.cn",
    },
];

impl Cloud {
    /// The cloud of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn named(name: Option<&str>) -> Result<Self, String> {
        let found = CLOUDS.iter().find(|cloud| name.is_none_or(|name| name == cloud.name));
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = CLOUDS.iter().map(|cloud| cloud.name).collect();
            format!("there is no cloud {:?}; it is one of {}", name.unwrap_or_default(), known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Cloud;

    #[test]
    fn clouds_have_names() {
        assert_eq!(Cloud::named(None).unwrap().graph, "https://graph.microsoft.com");
        assert_eq!(Cloud::named(Some("usgov-dod")).unwrap().graph, "https://dod-graph.microsoft.us");
        assert_eq!(Cloud::named(Some("china")).unwrap().login, "https://login.partner.microsoftonline.cn");
        assert!(Cloud::named(Some("mars")).unwrap_err().contains("global, usgov, usgov-dod, china"));
    }
}
