"""Did it get worse? Packs paired, judged and written down."""
