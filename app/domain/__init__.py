"""The business: what Porchlight does, whoever asks. No request, no template, no network but through gateways."""
