"""The services: the control plane and the processes behind it. Each is made by a factory; importing starts nothing."""
