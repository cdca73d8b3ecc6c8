"""Who can be called: providers as data, connections that find themselves, models with their prices."""
