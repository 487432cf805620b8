"""The embedded default: real servers from wheels, a mail catcher and a Slack stand-in.

For development and tests only: production names its own servers in the environment
and never imports this package. What can be set:

DATABASE_URL, REDIS_URL, LEGACY_MONGO_URL, SMTP_URL, SLACK_API_URL
    use this one instead of starting ours
PORT                the web port to try first (8000)
DEVSTACK_PORTS=any  do not try the usual ports, take any free ones
DEVSTACK_DIR        where a stack keeps its files (var/)
FORCE=1             `make reset` does not ask
TEST_DATABASE_URL, TEST_REDIS_URL, TEST_MONGO_URL
    servers for the tests instead of ours; the account may create databases
DEVSTACK_TEST_DIR   where the test servers keep their files (var/test/)
CHROMIUM            the browser of the tests
PYTHON              for `make setup`: the Python to make .venv with
"""
