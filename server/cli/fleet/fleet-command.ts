import {
  type CommandInput,
  type Doors,
  type RegistryCommand,
  runRegistryCommand,
} from '../remote/registry-command.ts';
import { type FleetDoor, RemoteDoor } from './door.ts';

/** A command about the fleet. */
export type FleetCommand = RegistryCommand<FleetDoor>;

/** The input of an action about the fleet. */
export type FleetInput = CommandInput<FleetDoor>;

const DOORS: Doors<FleetDoor> = {
  remote: (api) => new RemoteDoor(api),
  local: async (options) => (await import('./local-door.ts')).openLocalDoor(options),
};

/** As runRegistryCommand. */
export function runFleetCommand(command: FleetCommand, args: readonly string[]): Promise<number> {
  return runRegistryCommand(command, DOORS, args);
}
