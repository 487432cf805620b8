"""The embedded default: real servers from wheels, a mail catcher and a Slack stand-in.

For development and tests only. Production names its own servers in the
environment and never imports this package.
"""
