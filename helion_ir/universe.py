from xdsl.universe import Universe
HELION_UNIVERSE = Universe()
