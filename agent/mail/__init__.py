"""Mail in and out: the SMTP listener, the messages we build, and the sender."""
