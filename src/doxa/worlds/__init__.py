"""What beliefs are about: small worlds with an exact reference answer."""
