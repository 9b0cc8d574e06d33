#!/bin/sh
# A Ctrl-C in the terminal reaches every process of its group. The runtime leaves it to the instance, which stops it last.
trap '' INT HUP
exec "$WORKERD_PATH" "$@"
